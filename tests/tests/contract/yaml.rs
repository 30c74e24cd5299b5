//! How the files of this repository are read.

use habeas_e2e::yaml::parse;

#[test]
fn tags_of_the_template_are_kept() {
    let read = parse("a: !Ref B\nc: !If [D, '*', !GetAtt E.Arn]\nd: &x {e: 1}\nf: *x\n");
    let expected = serde_json::json!({
        "a": {"!Ref": "B"},
        "c": {"!If": ["D", "*", {"!GetAtt": "E.Arn"}]},
        "d": {"e": 1},
        "f": {"e": 1},
    });
    assert_eq!(read, expected);
}
