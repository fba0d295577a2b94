//! Into an account: as the caller, or as a role there.

use eic_doctor_proto::Fact;

use crate::args::Account;
use crate::commands::partition_of;
use crate::facts::CallerIdentity;
use crate::gather::Budget;
use crate::gather::aws::{Clients, Origin};
use crate::gather::fleet::Whose;
use crate::gather::fleet::operations::{AssumeRole, Session};
use crate::gather::operations::GetCallerIdentity;
use crate::gather::pace::{Paced, Pacer, Place};
use crate::gather::{Answer, fact};

/// Who is to be looked at.
pub(super) enum Whom {
    /// The account that the caller's credentials are of.
    Ourselves,
    Account(Account),
}

impl Whom {
    /// The accounts that were named, or the caller's own.
    pub(super) fn all(named: Option<Vec<Account>>) -> Vec<Self> {
        named.map_or_else(|| vec![Self::Ourselves], |accounts| accounts.into_iter().map(Self::Account).collect())
    }

    pub(super) fn id(&self) -> Option<String> {
        match self {
            Self::Ourselves => None,
            Self::Account(account) => Some(account.id.clone()),
        }
    }
}

/// An account that lets us look.
pub(super) struct Inside {
    /// As the user named it, if so.
    pub named: Option<String>,
    pub account: Option<String>,
    pub caller: Fact<CallerIdentity>,
    /// `None`: with the caller's own credentials.
    session: Option<Session>,
}

impl Inside {
    pub(super) fn clients(&self, origin: &Origin, region: &str) -> Clients {
        match &self.session {
            None => origin.clients(region),
            Some(session) => origin.clients_of(region, session),
        }
    }

    pub(super) fn place(&self, region: &str) -> Place {
        Place { account: self.account.clone(), region: region.to_owned() }
    }

    pub(super) fn whose(&self, principal: Option<&str>) -> Whose {
        Whose::of(self.session.is_some(), principal)
    }
}

pub(super) async fn enter(
    origin: &Origin,
    pacer: &Pacer,
    budget: &Budget,
    whom: Whom,
    role_name: Option<&str>,
    external_id: Option<&str>,
) -> Answer<Inside> {
    let region = origin.region.as_str();
    let session = match &whom {
        Whom::Ourselves => None,
        Whom::Account(account) => {
            // The quota of AssumeRole is that of the account which asks.
            let (clients, place) = (origin.clients(region), Place { account: None, region: region.to_owned() });
            let aws = Paced { aws: &clients, pacer, place: &place };
            let by_name =
                || format!("arn:{}:iam::{}:role/{}", partition_of(region), account.id, role_name.unwrap_or_default());
            let role = account.role.clone().unwrap_or_else(by_name);
            let action = <Clients as AssumeRole>::ACTION;
            Some(budget.ask(action, aws.assume_role(&role, external_id)).await?)
        }
    };
    let mut inside = Inside { named: whom.id(), account: whom.id(), caller: Fact::NotGathered, session };
    let (clients, place) = (inside.clients(origin, region), inside.place(region));
    let aws = Paced { aws: &clients, pacer, place: &place };
    inside.caller = fact(budget.ask(<Clients as GetCallerIdentity>::ACTION, aws.get_caller_identity()).await);
    let own = inside.caller.known().and_then(|caller| caller.account.clone());
    inside.account = inside.account.or(own);
    Ok(inside)
}
