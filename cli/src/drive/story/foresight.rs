//! What an operator is told beforehand of a person's request, and whether it comes true.

use habeas::evidence::Certificate;
use habeas::request::Right;
use serde_json::{Value, json};

use super::{Story, random_hex};
use crate::drive::{DriveError, create_operator, sign_in};
use crate::sample::Person;

/// The operator's name in the sign-in; nobody of the sample has it.
const OPERATOR: &str = "the-operator";

impl Story<'_> {
    /// Looks at a person's plan as an operator. Gives its totals.
    pub(super) async fn foresee(&mut self, right: Right, person: &Person) -> Result<Value, DriveError> {
        let identity = match (&person.email, &person.phone) {
            (Some(email), _) => json!({"email": email}),
            (None, Some(phone)) => json!({"phone_number": phone}),
            (None, None) => json!({"user_id": person.user_id}),
        };
        let own = self.token_of(person).await?;
        let refused = self.api.plan(right, &identity, &own).await?;
        self.check(refused.status == 403, "whoever is no operator is not shown a plan");
        let password = random_hex();
        create_operator(&self.options.endpoints, OPERATOR, &password).await?;
        let token = sign_in(&self.options.endpoints, OPERATOR, &password).await?;
        let plan = self.api.plan(right, &identity, &token).await?.expect(200)?;
        let (steps, total) = (plan["steps"].as_array().map_or(0, Vec::len), &plan["total"]);
        self.say(format!(
            "  an operator looks first: {steps} steps; {} rows erased, {} anonymised, {} retained",
            total["erased"], total["anonymised"], total["retained"]
        ));
        self.check(
            plan["begins"] == true,
            format!("{} obstacles, none that refuses", plan["obstacles"].as_array().map_or(0, Vec::len)),
        );
        let text = plan.to_string();
        let told = person.identifying.iter().filter(|value| text.contains(value.as_str())).count();
        self.check(told == 0, "the plan holds nothing of the person");
        Ok(plan["total"].clone())
    }

    /// Compares what was foreseen with what the evidence says was done.
    pub(super) fn came_true(&mut self, foreseen: &Value, certificate: &Certificate) {
        let total = certificate.total;
        let done = json!({"erased": total.erased, "anonymised": total.anonymised, "retained": total.retained});
        let same = ["erased", "anonymised", "retained"].into_iter().all(|what| foreseen[what] == done[what]);
        self.check(same && foreseen["exact"] == true, format!("what the plan foresaw is what was done: {done}"));
    }
}
