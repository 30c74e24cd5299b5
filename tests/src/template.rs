//! template.yaml as the tests ask about it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::yaml;

pub const FUNCTION: &str = "AWS::Serverless::Function";

/// The template.
pub struct Template(Value);

/// A statement of a role, with the conditions under which it is there.
#[derive(Clone, Debug)]
pub struct Statement {
    pub only_if: Vec<String>,
    pub body: Value,
}

/// One resource of a statement, with the conditions under which it is named.
#[derive(Clone, Debug)]
pub struct Granted {
    pub only_if: Vec<String>,
    pub resource: Value,
}

impl Template {
    pub fn read() -> Self {
        Self(yaml::read("template.yaml"))
    }

    /// Logical id and properties of every resource of a type.
    pub fn of_type(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.0["Resources"].as_object().unwrap();
        let found: BTreeMap<&str, &Value> = resources
            .iter()
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
            .collect();
        assert!(!found.is_empty(), "the template has no {kind}");
        found
    }

    /// The type of a resource, if there is one of this logical id.
    pub fn type_of(&self, id: &str) -> Option<&str> {
        self.0["Resources"][id]["Type"].as_str()
    }

    /// What a function finds in its environment.
    pub fn environment(&self, function: &str) -> BTreeMap<String, Value> {
        let own = &self.0["Resources"][function]["Properties"]["Environment"]["Variables"];
        let shared = &self.0["Globals"]["Function"]["Environment"]["Variables"];
        [shared, own]
            .into_iter()
            .flat_map(|variables| variables.as_object().unwrap())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether a parameter may be left out, and is then empty.
    pub fn may_be_empty(&self, parameter: &str) -> bool {
        self.0["Parameters"][parameter]["Default"] == ""
    }

    /// The parameters.
    pub fn parameters(&self) -> BTreeSet<&str> {
        self.0["Parameters"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// A parameter.
    pub fn parameter(&self, name: &str) -> &Value {
        &self.0["Parameters"][name]
    }

    /// What a condition asks.
    pub fn condition(&self, name: &str) -> &Value {
        &self.0["Conditions"][name]
    }

    /// The conditions under which a function is in the VPC. None: it never is.
    pub fn in_vpc_if(&self, function: &str) -> Option<Vec<String>> {
        let config = self.0["Resources"][function]["Properties"].get("VpcConfig")?;
        alternatives(config).pop().map(|(only_if, _)| only_if)
    }

    /// The logical id of a function's role.
    pub fn role_of(&self, function: &str) -> String {
        attribute_of(&self.0["Resources"][function]["Properties"]["Role"], "Arn").unwrap_or_default()
    }

    /// Every statement of a role, whatever its effect.
    pub fn statements(&self, role: &str) -> Vec<Statement> {
        let policies = self.0["Resources"][role]["Properties"]["Policies"].as_array().unwrap();
        let mut found = Vec::new();
        for policy in policies {
            for entry in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
                let arms = alternatives(entry);
                found.extend(arms.into_iter().map(|(only_if, body)| Statement { only_if, body }));
            }
        }
        assert!(!found.is_empty(), "{role} has no statement");
        found
    }

    /// The statements of a role that allow something.
    pub fn allowed(&self, role: &str) -> Vec<Statement> {
        let mut statements = self.statements(role);
        statements.retain(|statement| statement.body["Effect"] == "Allow");
        statements
    }
}

impl Statement {
    /// What is allowed or denied, under whatever conditions.
    pub fn actions(&self) -> BTreeSet<String> {
        self.actions_with_conditions().into_iter().map(|(_, action)| action).collect()
    }

    /// What is allowed or denied, with the conditions that its own line asks for.
    pub fn actions_with_conditions(&self) -> Vec<(Vec<String>, String)> {
        list(&self.body["Action"])
            .iter()
            .flat_map(alternatives)
            .map(|(only_if, action)| (only_if, action.as_str().unwrap().to_owned()))
            .collect()
    }

    pub fn resources(&self) -> Vec<Granted> {
        let mut granted = Vec::new();
        for resource in list(&self.body["Resource"]) {
            for (mut inner, resource) in alternatives(&resource) {
                let mut only_if = self.only_if.clone();
                only_if.append(&mut inner);
                granted.push(Granted { only_if, resource });
            }
        }
        granted
    }

    /// Whether a resource of the template, or something in it, is among what is allowed.
    pub fn reaches(&self, logical_id: &str) -> bool {
        self.resources().iter().any(|granted| names(&granted.resource, logical_id))
    }
}

/// The logical id in `!GetAtt <id>.<attribute>`.
pub fn attribute_of(value: &Value, attribute: &str) -> Option<String> {
    let path = value["!GetAtt"].as_str()?;
    let id = path.strip_suffix(attribute)?.strip_suffix('.')?;
    Some(id.to_owned())
}

fn names(resource: &Value, logical_id: &str) -> bool {
    let reference = resource["!Ref"].as_str() == Some(logical_id);
    let attribute = resource["!GetAtt"].as_str().is_some_and(|path| path.split('.').next() == Some(logical_id));
    let inside = resource["!Sub"].as_str().is_some_and(|text| {
        text.contains(&format!("${{{logical_id}}}")) || text.contains(&format!("${{{logical_id}."))
    });
    reference || attribute || inside
}

/// One value, or a list of values, as a list.
pub(crate) fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        one => vec![one.clone()],
    }
}

/// Both arms of an `!If`, each under its condition; anything else as it is. `AWS::NoValue` is nothing.
pub(crate) fn alternatives(value: &Value) -> Vec<(Vec<String>, Value)> {
    let Some(parts) = value["!If"].as_array() else {
        let nothing = value["!Ref"] == "AWS::NoValue";
        return if nothing { Vec::new() } else { vec![(Vec::new(), value.clone())] };
    };
    let [condition, then, otherwise] = parts.as_slice() else { unreachable!("!If has three parts: {value}") };
    let condition = condition.as_str().unwrap();
    [(condition.to_owned(), then), (format!("not {condition}"), otherwise)]
        .into_iter()
        .flat_map(|(condition, arm)| {
            alternatives(arm).into_iter().map(move |(mut conditions, body)| {
                conditions.insert(0, condition.clone());
                (conditions, body)
            })
        })
        .collect()
}
