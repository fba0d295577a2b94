//! The console output of an instance.

use super::{Clients, convert};
use crate::facts::ConsoleOutput;
use crate::gather::operations::GetConsoleOutput;
use crate::gather::refused::{Answer, Refused, RefusedKind};

impl GetConsoleOutput for Clients {
    async fn get_console_output(&self, instance_id: &str) -> Answer<ConsoleOutput> {
        let action = <Self as GetConsoleOutput>::ACTION;
        let request = self.ec2.get_console_output().instance_id(instance_id);
        let answer = match self.call(action, request.clone().latest(true).send()).await {
            // Instance types that are not of the Nitro system have only what was written down after the last start.
            Err(refused) if is_too_old_for_the_latest(&refused) => self.call(action, request.send()).await?,
            answer => answer?,
        };
        convert::console_output(answer).map_err(|error| Refused::new(action, RefusedKind::Ill, error))
    }
}

fn is_too_old_for_the_latest(refused: &Refused) -> bool {
    matches!(refused.code.as_deref(), Some("UnsupportedOperation" | "InvalidParameterCombination"))
}
