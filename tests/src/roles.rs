//! IAM for the world: what each function's role in template.yaml allows, asked for every call that the function makes.
//!
//! Roles are those of a stack on AWS, not of the local one: what `IsLocal` adds for the emulator is left out. Actions,
//! resources, conditions (with the wildcards of a pattern) and denials count; an action that no line allows is denied. A role can be tried without one of its lines.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};

use habeas::policy::Pinned;
use serde_json::Value;
use tokio::sync::Notify;

use crate::deployed::Deployed;
use crate::functions::Function;
use crate::template::list;
use crate::yaml;

/// Statements that nothing in a test asks for, with the reason. All others are asked for line by line.
pub const OUT_OF_REACH: [(&str, &str); 9] = [
    (
        "FindSubjects",
        "for a policy that says when accounts are made, or whose subjects' key is an address; the small one is neither",
    ),
    ("AttachToVpc", "Lambda's own, before a function starts; `contract/roles.rs` holds it to the list that AWS gives"),
    ("ReadCheckSecrets", "for a policy with a database, and the small one has none"),
    ("ReadDataSecrets", "for a policy with a database, and the small one has none"),
    (
        "ReadRecipientSecrets",
        "for a policy with recipients that are called; `recipients.rs` has some, the small one none",
    ),
    ("ReadSubjectSecrets", "for a policy with a database, and the small one has none"),
    ("SignInToCheckDatabases", "asked for by RDS alone, when a database is opened"),
    ("SignInToDataDatabases", "asked for by RDS alone, when a database is opened"),
    ("SignInToSubjectDatabases", "asked for by RDS alone, when a database is opened"),
];

/// One line of a role: an action on a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    pub function: Function,
    /// The statement's `Sid`.
    pub statement: String,
    pub action: String,
    /// As the template writes it: `Ledger.Arn`, `DataTableArns`.
    pub resource: String,
}

impl fmt::Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} on {} ({})", self.function, self.action, self.resource, self.statement)
    }
}

/// A grant, or a denial, with what it covers.
#[derive(Debug)]
pub struct Rule {
    pub grant: Grant,
    pub allows: bool,
    patterns: Vec<String>,
    conditions: Vec<(String, Vec<String>)>,
}

/// What a call needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) action: String,
    pub(crate) resource: String,
    /// Condition keys and their values.
    pub(crate) context: Vec<(String, String)>,
}

/// A call that a role does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{function} is not authorized to perform: {action} on resource: {resource}")]
pub struct Denial {
    pub function: Function,
    pub action: String,
    pub resource: String,
}

/// A policy's stack on AWS, and its roles.
pub struct Stack {
    pub policy: Arc<Pinned>,
    pub deployed: Deployed,
    roles: BTreeMap<Function, Vec<Rule>>,
}

/// The stack of the small policy, which every world is unless it says otherwise.
pub fn stack() -> &'static Stack {
    static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::of("tests/policy"));
    &STACK
}

/// The stack of the policy whose collections are in a database.
pub fn stack_with_database() -> &'static Stack {
    static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::of("tests/policy-database"));
    &STACK
}

impl Stack {
    pub(crate) fn of(folder: &str) -> Self {
        let policy =
            habeas::policy::load::load(&yaml::path(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        Self::under(policy)
    }

    /// The stack of a policy.
    pub(crate) fn under(policy: Pinned) -> Self {
        let deployed = Deployed::new(&policy, "prod");
        let roles = Function::ALL.into_iter().map(|function| (function, rules(&deployed, function))).collect();
        Self { policy: Arc::new(policy), deployed, roles }
    }

    /// Every line of every role that allows something.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.roles.values().flatten().filter(|rule| rule.allows).map(|rule| &rule.grant)
    }
}

/// The lines of a function's role.
pub fn rules(deployed: &Deployed, function: Function) -> Vec<Rule> {
    let mut rules = Vec::new();
    let template = &deployed.template;
    for statement in template.statements(&template.role_of(function.name())) {
        if !deployed.hold(&statement.only_if) {
            continue;
        }
        let body = &statement.body;
        let allows = match body["Effect"].as_str() {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => panic!("an effect is to allow or to deny: {body}"),
        };
        let actions = statement.actions_with_conditions();
        for (_, action) in actions.iter().filter(|(only_if, _)| deployed.hold(only_if)) {
            for granted in statement.resources().iter().filter(|granted| deployed.hold(&granted.only_if)) {
                let grant = Grant {
                    function,
                    statement: body["Sid"].as_str().unwrap().to_owned(),
                    action: action.clone(),
                    resource: written(&granted.resource),
                };
                let patterns = deployed.texts(&granted.resource);
                rules.push(Rule { grant, allows, patterns, conditions: conditions(deployed, &body["Condition"]) });
            }
        }
    }
    rules
}

/// A resource as the template writes it.
fn written(resource: &Value) -> String {
    let argument = resource.as_object().and_then(|function| function.values().next());
    argument.unwrap_or(resource).as_str().unwrap_or_default().to_owned()
}

fn conditions(deployed: &Deployed, block: &Value) -> Vec<(String, Vec<String>)> {
    let Some(Value::Object(operators)) = deployed.chosen(block) else { return Vec::new() };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        assert!(["ArnEquals", "StringEquals"].contains(&operator.as_str()), "{operator} is not understood");
        for (key, values) in keys.as_object().unwrap() {
            let values: Vec<String> = list(values).iter().flat_map(|value| deployed.texts(value)).collect();
            let literal = operator == "StringEquals";
            assert!(!(literal && values.iter().any(|value| value.contains('*'))), "{key}: no pattern is meant");
            conditions.push((key.clone(), values));
        }
    }
    conditions
}

impl Rule {
    pub(crate) fn covers(&self, need: &Need) -> bool {
        matches(&self.grant.action, &need.action)
            && self.patterns.iter().any(|pattern| matches(pattern, &need.resource))
            && self.conditions.iter().all(|(key, values)| {
                need.context
                    .iter()
                    .any(|(given, value)| given == key && values.iter().any(|pattern| matches(pattern, value)))
            })
    }
}

/// Whether a resource is one of a pattern, in which `*` stands for anything and `?` for any one character.
fn matches(pattern: &str, resource: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return same(pattern, resource) };
    let Some((head, mut left)) = resource.split_at_checked(start.len()) else { return false };
    if !same(start, head) {
        return false;
    }
    loop {
        if matches(rest, left) {
            return true;
        }
        let mut characters = left.chars();
        if characters.next().is_none() {
            return false;
        }
        left = characters.as_str();
    }
}

fn same(pattern: &str, text: &str) -> bool {
    pattern.len() == text.len()
        && pattern.bytes().zip(text.bytes()).all(|(wanted, byte)| wanted == b'?' || wanted == byte)
}

/// What becomes of a test in which something is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenDenied {
    /// It has failed.
    Fail,
    /// It goes no further; [`Rights::denied`] says why.
    Stop,
    /// It goes on, as the stack would.
    GoOn,
}

/// The roles of one world, and what was asked of them.
#[derive(Clone)]
pub struct Rights(Arc<Inner>);

impl fmt::Debug for Rights {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rights")
    }
}

struct Inner {
    stack: &'static Stack,
    without: Option<Grant>,
    when_denied: WhenDenied,
    asked: Mutex<Asked>,
    denied: Notify,
}

#[derive(Debug, Default)]
struct Asked {
    needs: usize,
    relied_on: BTreeMap<Grant, usize>,
    denial: Option<Denial>,
}

impl Rights {
    /// The roles of a stack, without this line.
    pub(crate) fn new(stack: &'static Stack, without: Option<Grant>, when_denied: WhenDenied) -> Self {
        Self(Arc::new(Inner { stack, without, when_denied, asked: Mutex::default(), denied: Notify::new() }))
    }

    /// The stack whose roles they are.
    pub(crate) fn stack(&self) -> &'static Stack {
        self.0.stack
    }

    /// Asks a function's role.
    ///
    /// # Errors
    /// The first need that it does not allow.
    pub(crate) fn ask(&self, function: Function, needs: &[Need]) -> Result<(), Denial> {
        let mut asked = self.0.asked.lock().unwrap();
        for need in needs {
            asked.needs += 1;
            let role = self.0.stack.roles[&function].iter().filter(|rule| self.0.without.as_ref() != Some(&rule.grant));
            let covering: Vec<&Rule> = role.filter(|rule| rule.covers(need)).collect();
            if covering.is_empty() || covering.iter().any(|rule| !rule.allows) {
                let (action, resource) = (need.action.clone(), need.resource.clone());
                let denial = Denial { function, action, resource };
                asked.denial.get_or_insert_with(|| denial.clone());
                return Err(denial);
            }
            if let [rule] = covering.as_slice() {
                let position = asked.needs;
                asked.relied_on.entry(rule.grant.clone()).or_insert(position);
            }
        }
        Ok(())
    }

    /// The lines without which something would have been denied, and after how many questions each was first needed.
    pub fn relied_on(&self) -> BTreeMap<Grant, usize> {
        self.0.asked.lock().unwrap().relied_on.clone()
    }

    /// Ends or stops the test if something was denied, unless it is to go on.
    pub(crate) async fn settle(&self) {
        let Some(denial) = self.0.asked.lock().unwrap().denial.clone() else { return };
        match self.0.when_denied {
            WhenDenied::Fail => panic!("{denial}"),
            WhenDenied::Stop => {
                self.0.denied.notify_one();
                std::future::pending::<()>().await;
            }
            WhenDenied::GoOn => {}
        }
    }

    /// What was denied first, as soon as the world has stopped for it.
    pub async fn denied(&self) -> Denial {
        self.0.denied.notified().await;
        self.0.asked.lock().unwrap().denial.clone().expect("notified of a denial")
    }
}
