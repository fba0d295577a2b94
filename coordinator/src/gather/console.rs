//! The console output: asked where nothing else shows what is inside, for it is a call of its own and up to 64 KB.

use eic_doctor_proto::Fact;

use super::budget::Budget;
use super::operations::{Aws, GetConsoleOutput};
use super::refused::fact;
use super::run::Seen;
use crate::facts::{ConsoleOutput, InstanceStatus};

/// Where one of EC2's status checks fails: beside everything else.
pub(super) async fn of_impaired<A: Aws>(
    aws: &A,
    budget: &Budget,
    seen: &Seen,
    status: &Fact<InstanceStatus>,
) -> Fact<ConsoleOutput> {
    match status.known().is_some_and(InstanceStatus::is_impaired) {
        true => of_running(aws, budget, seen).await,
        false => Fact::NotGathered,
    }
}

/// An instance that does not run has nothing to tell of this run.
pub(super) async fn of_running<A: Aws>(aws: &A, budget: &Budget, seen: &Seen) -> Fact<ConsoleOutput> {
    let state = seen.instance.known().and_then(|instance| instance.state.as_ref()?.name.as_deref());
    if state != Some("running") {
        return Fact::NotGathered;
    }
    fact(budget.ask(<A as GetConsoleOutput>::ACTION, aws.get_console_output(&seen.instance_id)).await)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use eic_doctor_proto::Fact;
    use serde_json::json;

    use super::*;
    use crate::gather::courier::Pace;
    use crate::gather::run::gather;
    use crate::gather::testing::{Fake, ID, question};

    /// What was asked of the console, and what is known of it; `wants_os`: whether anybody asks for OS facts.
    async fn asked(fake: &Fake, wants_os: bool) -> (Vec<String>, Fact<ConsoleOutput>) {
        let mut question = question();
        question.courier = question.courier.filter(|_| wants_os);
        let pace = Pace { first: Duration::ZERO, longest: Duration::ZERO, times: 5 };
        let gathered = gather(fake, &question, &Budget::of(Duration::from_secs(3600)), &pace).await;
        (fake.about("ec2:GetConsoleOutput"), gathered.facts.aws.console)
    }

    fn impaired() -> InstanceStatus {
        serde_json::from_value(json!({ "InstanceStatus": { "Status": "impaired" } })).unwrap()
    }

    #[tokio::test]
    async fn it_is_asked_for_once_where_a_status_check_fails_or_nobody_could_look_inside() {
        let told = Fact::Known(ConsoleOutput::default());
        assert_eq!(asked(&Fake::healthy(), true).await, (vec![], Fact::NotGathered));
        assert_eq!(
            asked(&Fake { status: impaired(), ..Fake::healthy() }, true).await,
            (vec![ID.to_owned()], told.clone())
        );
        assert_eq!(
            asked(&Fake { status: impaired(), ..Fake::healthy() }, false).await,
            (vec![ID.to_owned()], told.clone())
        );
        assert_eq!(asked(&Fake { node: None, ..Fake::healthy() }, true).await, (vec![ID.to_owned()], told.clone()));
        assert_eq!(
            asked(&Fake { node: None, status: impaired(), ..Fake::healthy() }, true).await,
            (vec![ID.to_owned()], told)
        );
        assert_eq!(asked(&Fake { node: None, ..Fake::healthy() }, false).await, (vec![], Fact::NotGathered));
    }

    #[tokio::test]
    async fn an_instance_that_does_not_run_is_not_asked() {
        let mut fake = Fake { status: impaired(), node: None, ..Fake::healthy() };
        fake.instance.state = serde_json::from_value(json!({ "Name": "stopped" })).unwrap();
        assert_eq!(asked(&fake, true).await, (vec![], Fact::NotGathered));
    }

    #[tokio::test]
    async fn a_refusal_names_its_action() {
        let mut fake = Fake { status: impaired(), ..Fake::healthy() };
        fake.refuse.insert("ec2:GetConsoleOutput", "UnauthorizedOperation");
        let (_, Fact::Unreadable(why)) = asked(&fake, true).await else { panic!("told") };
        assert_eq!(why.missing_action.as_deref(), Some("ec2:GetConsoleOutput"));
    }
}
