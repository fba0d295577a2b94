//! Security Hub.

use aws_sdk_securityhub::types;

use super::Clients;
use crate::gather::refused::Answer;
use crate::gather::security_hub::{BatchImportFindings, NotTaken};
use crate::render::asff::Finding;

impl BatchImportFindings for Clients {
    async fn batch_import_findings(&self, findings: &[Finding]) -> Answer<Vec<NotTaken>> {
        let findings = findings.iter().map(to_aws).collect();
        let request = self.securityhub.batch_import_findings().set_findings(Some(findings));
        let answer = self.call(<Self as BatchImportFindings>::ACTION, request.send()).await?;
        let not_taken = |error: &types::ImportFindingsError| NotTaken {
            id: error.id().unwrap_or_default().to_owned(),
            why: format!("{}: {}", error.error_code().unwrap_or_default(), error.error_message().unwrap_or_default()),
        };
        Ok(answer.failed_findings().iter().map(not_taken).collect())
    }
}

fn to_aws(finding: &Finding) -> types::AwsSecurityFinding {
    let remediation = finding.remediation.as_ref().map(|remediation| {
        let recommendation = types::Recommendation::builder().text(&remediation.recommendation.text).build();
        types::Remediation::builder().recommendation(recommendation).build()
    });
    types::AwsSecurityFinding::builder()
        .schema_version(finding.schema_version)
        .id(&finding.id)
        .product_arn(&finding.product_arn)
        .product_name(finding.product_name)
        .generator_id(&finding.generator_id)
        .aws_account_id(&finding.aws_account_id)
        .region(&finding.region)
        .set_types(Some(finding.types.clone()))
        .created_at(&finding.created_at)
        .updated_at(&finding.updated_at)
        .severity(
            types::Severity::builder()
                .label(types::SeverityLabel::from(finding.severity.label))
                .original(finding.severity.original)
                .build(),
        )
        .title(&finding.title)
        .description(&finding.description)
        .set_remediation(remediation)
        .set_product_fields(Some(finding.product_fields.clone().into_iter().collect()))
        .set_resources(Some(finding.resources.iter().map(resource).collect()))
        .compliance(
            types::Compliance::builder().status(types::ComplianceStatus::from(finding.compliance.status)).build(),
        )
        .record_state(types::RecordState::from(finding.record_state))
        .build()
}

fn resource(resource: &crate::render::asff::Resource) -> types::Resource {
    let instance = &resource.details.aws_ec2_instance;
    let instance = types::AwsEc2InstanceDetails::builder()
        .set_image_id(instance.image_id.clone())
        .set_vpc_id(instance.vpc_id.clone())
        .set_subnet_id(instance.subnet_id.clone())
        .build();
    types::Resource::builder()
        .r#type(resource.kind)
        .id(&resource.id)
        .set_partition(resource.partition.map(types::Partition::from))
        .region(&resource.region)
        .details(types::ResourceDetails::builder().aws_ec2_instance(instance).build())
        .build()
}
