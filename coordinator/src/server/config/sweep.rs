//! `[sweep]`: how the coordinator looks at AWS's side of the instances that have enrolled.

use std::time::Duration;

use eic_doctor_proto::{Attempt, OsUser, Via};
use ipnet::IpNet;
use serde::Deserialize;

use super::Time;
use crate::args::principal;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sweep {
    /// From one look at the fleet to the next.
    pub interval: Time,
    /// Each begins up to so much later, by chance.
    pub jitter: Time,
    pub via: Via,
    pub source: Option<IpNet>,
    /// ARN of the user or role that pushes the key; left out: the coordinator's own, in its own account.
    pub principal: Option<String>,
    pub os_user: OsUser,
    pub port: u16,
}

impl Default for Sweep {
    fn default() -> Self {
        let Attempt { os_user, via, port, .. } = Attempt::usual();
        let interval = Time(Duration::from_mins(15));
        Self { interval, jitter: Time(Duration::from_mins(1)), via, source: None, principal: None, os_user, port }
    }
}

impl Sweep {
    /// What every instance is looked at for.
    pub fn attempt(&self) -> Attempt {
        Attempt {
            os_user: self.os_user.clone(),
            principal: self.principal.clone(),
            via: self.via,
            source: self.source,
            port: self.port,
            ..Attempt::usual()
        }
    }

    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if self.via == Via::Browser && self.source.is_some() {
            let problem = "has no meaning with `via = \"browser\"`: the connection comes from the Region's own range";
            return Some(("sweep.source", problem.to_owned()));
        }
        if self.port == 0 {
            return Some(("sweep.port", "is 0".to_owned()));
        }
        let error = principal(self.principal.as_deref()?).err()?;
        Some(("sweep.principal", format!("is no principal whose policies could be asked about: {error}")))
    }
}
