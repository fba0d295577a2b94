//! AWS Systems Manager.

use aws_sdk_ssm::types::InstanceInformationStringFilter;

use super::{Clients, all_pages, convert};
use crate::facts::InstanceInformation;
use crate::gather::operations::{
    DescribeInstanceInformation, GetCommandInvocation, Invocation, SendCommand, ShellCommand,
};
use crate::gather::refused::{Answer, Refused, RefusedKind};

impl DescribeInstanceInformation for Clients {
    async fn describe_instance_information(&self, instance_id: &str) -> Answer<Vec<InstanceInformation>> {
        let filter = InstanceInformationStringFilter::builder().key("InstanceIds").values(instance_id).build();
        let action = <Self as DescribeInstanceInformation>::ACTION;
        let filter = filter.map_err(|error| Refused::new(action, RefusedKind::Ill, error.to_string()))?;
        all_pages(action, |token| async {
            let request = self.ssm.describe_instance_information().filters(filter.clone()).set_next_token(token);
            let page = self.call(action, request.send()).await?;
            let nodes = page.instance_information_list.unwrap_or_default();
            Ok((nodes.into_iter().map(convert::instance_information).collect(), page.next_token))
        })
        .await
    }
}

impl SendCommand for Clients {
    async fn send_command(&self, shell: &ShellCommand) -> Answer<String> {
        let action = <Self as SendCommand>::ACTION;
        let request = self
            .ssm
            .send_command()
            .document_name("AWS-RunShellScript")
            .comment("EIC Doctor: read-only look at EC2 Instance Connect")
            .instance_ids(&shell.instance_id)
            .timeout_seconds(shell.delivery_seconds)
            .parameters("commands", vec![shell.script.clone()])
            .parameters("executionTimeout", vec![shell.execution_seconds.to_string()]);
        let answer = self.call(action, request.send()).await?;
        answer
            .command
            .and_then(|command| command.command_id)
            .ok_or_else(|| Refused::new(action, RefusedKind::Ill, "the answer holds no command id"))
    }
}

impl GetCommandInvocation for Clients {
    async fn get_command_invocation(&self, command_id: &str, instance_id: &str) -> Answer<Invocation> {
        let request = self.ssm.get_command_invocation().command_id(command_id).instance_id(instance_id);
        let answer = self.call(<Self as GetCommandInvocation>::ACTION, request.send()).await?;
        Ok(Invocation {
            status: answer.status.map(|status| status.as_str().to_owned()),
            status_details: answer.status_details,
            response_code: answer.response_code,
            standard_output: answer.standard_output_content.unwrap_or_default(),
            standard_error: answer.standard_error_content.unwrap_or_default(),
        })
    }
}
