//! Every account of the caller's organization.

use eic_doctor_proto::visible;

use super::places::Whom;
use crate::args::Account;
use crate::gather::aws::{Clients, Origin};
use crate::gather::fleet::operations::{ListAccounts, Member};
use crate::gather::operations::GetCallerIdentity;
use crate::gather::pace::{Paced, Pacer, Place};
use crate::gather::{Answer, Budget};

/// Accounts that somebody works in. `PENDING_ACTIVATION`, `SUSPENDED`, `PENDING_CLOSURE` and `CLOSED` let nobody in.
const ACTIVE: &str = "ACTIVE";

/// Those that are looked at, and of the others a line each.
pub(super) struct Members {
    pub whom: Vec<Whom>,
    pub left_out: Vec<String>,
}

/// Asks in one go: AWS tells twenty accounts a page.
pub(super) async fn members(origin: &Origin, pacer: &Pacer, budget: &Budget) -> Answer<Members> {
    let (clients, place) = (origin.clients(&origin.region), Place { account: None, region: origin.region.clone() });
    let aws = Paced { aws: &clients, pacer, place: &place };
    // The caller looks at its own account as itself: no role needs to be there for it.
    let caller = budget.ask(<Clients as GetCallerIdentity>::ACTION, aws.get_caller_identity()).await?;
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let page = budget.ask(<Clients as ListAccounts>::ACTION, aws.list_accounts(token.as_deref())).await?;
        all.extend(page.items);
        token = page.next;
        if token.is_none() {
            return Ok(sorted(all, caller.account.as_deref()));
        }
    }
}

fn sorted(all: Vec<Member>, own: Option<&str>) -> Members {
    let (active, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|member| member.state.as_deref().is_none_or(|state| state == ACTIVE));
    let whom = active.into_iter().map(|member| match Some(member.id.as_str()) == own {
        true => Whom::Ourselves,
        false => Whom::Account(Account { id: member.id, role: None }),
    });
    let line = |member: &Member| {
        let state = member.state.as_deref().unwrap_or_default();
        format!("account {} is left out: it is {}", visible(&member.id), visible(state))
    };
    Members { whom: whom.collect(), left_out: others.iter().map(line).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_own_account_needs_no_role_and_one_that_is_closed_is_told_of() {
        let member = |id: &str, state: Option<&str>| Member { id: id.into(), state: state.map(str::to_owned) };
        let all = vec![
            member("111111111111", Some("ACTIVE")),
            member("222222222222", None),
            member("333333333333", Some("SUSPENDED")),
        ];
        let members = sorted(all, Some("111111111111"));
        assert!(matches!(&members.whom[..], [Whom::Ourselves, Whom::Account(other)] if other.id == "222222222222"));
        assert_eq!(members.left_out, ["account 333333333333 is left out: it is SUSPENDED"]);
    }
}
