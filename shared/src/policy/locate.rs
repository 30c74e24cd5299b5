//! Finds the line of a key in a YAML file, so that a finding of the check can say where.

use saphyr::{LoadableYamlNode as _, MarkedYaml, YamlData};

/// Keys and list positions that lead to a node: `["collections", "app.users", "erasure"]`, `["items", "3"]`.
pub type Path = Vec<String>;

/// The line (from 1) of the deepest node on the path that exists; 1 if the file cannot be read as YAML.
#[must_use]
pub fn line(yaml: &str, path: &[String]) -> usize {
    deepest(yaml, path).0
}

/// The line (from 1) of the node at the end of the path, if it exists.
#[must_use]
pub fn exact(yaml: &str, path: &[String]) -> Option<usize> {
    let (line, depth) = deepest(yaml, path);
    (depth == path.len()).then_some(line)
}

fn deepest(yaml: &str, path: &[String]) -> (usize, usize) {
    let Ok(documents) = MarkedYaml::load_from_str(yaml) else {
        return (1, 0);
    };
    let Some(mut node) = documents.first() else { return (1, 0) };
    let (mut line, mut depth) = (1, 0);
    for step in path {
        let next = match &node.data {
            YamlData::Mapping(mapping) => mapping
                .iter()
                .find(|(key, _)| key.data.as_str() == Some(step.as_str()))
                .map(|(key, value)| (key.span.start.line(), value)),
            YamlData::Sequence(list) => step
                .parse::<usize>()
                .ok()
                .and_then(|position| list.get(position))
                .map(|value| (value.span.start.line(), value)),
            _ => None,
        };
        let Some((at, value)) = next else { break };
        line = at;
        depth += 1;
        node = value;
    }
    (line, depth)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_leads_to_its_line() {
        let yaml = "a: 1\nb:\n  c.d:\n    - x: 1\n    - y: 2\n";
        let path = |steps: &[&str]| steps.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(super::line(yaml, &path(&["b", "c.d", "1", "y"])), 5);
        assert_eq!(super::line(yaml, &path(&["b", "missing"])), 2);
        assert_eq!(super::exact(yaml, &path(&["b", "c.d"])), Some(3));
        assert_eq!(super::exact(yaml, &path(&["b", "missing"])), None);
    }
}
