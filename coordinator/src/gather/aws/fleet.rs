//! The operations of a fleet: a page at a time.

use aws_sdk_ec2::types::Filter;
use aws_sdk_ssm::types::InstanceInformationStringFilter;

use super::{Clients, convert};
use crate::facts::{
    Image, InstanceInformation, InstanceStatus, NetworkAcl, Reservation, RouteTable, SecurityGroup, Subnet,
};
use crate::gather::fleet::operations::{
    AssumeRole, DescribeImagesPage, DescribeInstanceInformationPage, DescribeInstanceStatusPage, DescribeInstancesPage,
    DescribeNetworkAclsPage, DescribeRouteTablesPage, DescribeSecurityGroupsPage, DescribeSubnetsPage, Filters, Page,
    Session,
};
use crate::gather::refused::{Answer, Refused, RefusedKind};

fn page<A, B>(items: Option<Vec<A>>, next: Option<String>, convert: fn(A) -> B) -> Page<B> {
    let items = items.unwrap_or_default().into_iter().map(convert).collect();
    Page { items, next: next.filter(|token| !token.is_empty()) }
}

impl DescribeInstancesPage for Clients {
    async fn describe_instances_page(&self, filters: &Filters, token: Option<&str>) -> Answer<Page<Reservation>> {
        let filters = filters
            .0
            .iter()
            .map(|(name, values)| Filter::builder().name(name).set_values(Some(values.clone())).build());
        let request = self
            .ec2
            .describe_instances()
            .set_filters(Some(filters.collect::<Vec<_>>()).filter(|filters| !filters.is_empty()))
            .max_results(1000)
            .set_next_token(token.map(str::to_owned));
        let answer = self.call(<Self as DescribeInstancesPage>::ACTION, request.send()).await?;
        Ok(page(answer.reservations, answer.next_token, convert::reservation))
    }
}

impl DescribeInstanceStatusPage for Clients {
    async fn describe_instance_status_page(&self, ids: &[String], token: Option<&str>) -> Answer<Page<InstanceStatus>> {
        let request = self.ec2.describe_instance_status().include_all_instances(true);
        // EC2 takes no MaxResults beside InstanceIds.
        let request = match ids {
            [] => request.max_results(1000).set_next_token(token.map(str::to_owned)),
            ids => request.set_instance_ids(Some(ids.to_vec())).set_next_token(token.map(str::to_owned)),
        };
        let answer = self.call(<Self as DescribeInstanceStatusPage>::ACTION, request.send()).await?;
        Ok(page(answer.instance_statuses, answer.next_token, convert::instance_status))
    }
}

impl DescribeImagesPage for Clients {
    async fn describe_images_page(&self, ids: &[String], token: Option<&str>) -> Answer<Page<Image>> {
        let request = self
            .ec2
            .describe_images()
            .filters(Filter::builder().name("image-id").set_values(Some(ids.to_vec())).build())
            .include_deprecated(true)
            .include_disabled(true)
            .max_results(1000)
            .set_next_token(token.map(str::to_owned));
        let answer = self.call(<Self as DescribeImagesPage>::ACTION, request.send()).await?;
        Ok(page(answer.images, answer.next_token, convert::image))
    }
}

impl DescribeSubnetsPage for Clients {
    async fn describe_subnets_page(&self, token: Option<&str>) -> Answer<Page<Subnet>> {
        let request = self.ec2.describe_subnets().max_results(1000).set_next_token(token.map(str::to_owned));
        let answer = self.call(<Self as DescribeSubnetsPage>::ACTION, request.send()).await?;
        Ok(page(answer.subnets, answer.next_token, convert::subnet))
    }
}

impl DescribeSecurityGroupsPage for Clients {
    async fn describe_security_groups_page(&self, token: Option<&str>) -> Answer<Page<SecurityGroup>> {
        let request = self.ec2.describe_security_groups().max_results(1000).set_next_token(token.map(str::to_owned));
        let answer = self.call(<Self as DescribeSecurityGroupsPage>::ACTION, request.send()).await?;
        Ok(page(answer.security_groups, answer.next_token, convert::security_group))
    }
}

impl DescribeNetworkAclsPage for Clients {
    async fn describe_network_acls_page(&self, token: Option<&str>) -> Answer<Page<NetworkAcl>> {
        let request = self.ec2.describe_network_acls().max_results(1000).set_next_token(token.map(str::to_owned));
        let answer = self.call(<Self as DescribeNetworkAclsPage>::ACTION, request.send()).await?;
        Ok(page(answer.network_acls, answer.next_token, convert::network_acl))
    }
}

impl DescribeRouteTablesPage for Clients {
    async fn describe_route_tables_page(&self, token: Option<&str>) -> Answer<Page<RouteTable>> {
        let request = self.ec2.describe_route_tables().max_results(100).set_next_token(token.map(str::to_owned));
        let answer = self.call(<Self as DescribeRouteTablesPage>::ACTION, request.send()).await?;
        Ok(page(answer.route_tables, answer.next_token, convert::route_table))
    }
}

impl DescribeInstanceInformationPage for Clients {
    async fn describe_instance_information_page(
        &self,
        ids: &[String],
        token: Option<&str>,
    ) -> Answer<Page<InstanceInformation>> {
        let action = <Self as DescribeInstanceInformationPage>::ACTION;
        let filter = |key: &str, values: &[String]| {
            let filter = InstanceInformationStringFilter::builder().key(key).set_values(Some(values.to_vec())).build();
            filter.map_err(|error| Refused::new(action, RefusedKind::Ill, error.to_string()))
        };
        let request = self.ssm.describe_instance_information().max_results(50).set_next_token(token.map(str::to_owned));
        let request = match ids {
            // Machines outside EC2 are managed nodes too, and not ours.
            [] => request.filters(filter("ResourceType", &["EC2Instance".to_owned()])?),
            ids => request.filters(filter("InstanceIds", ids)?),
        };
        let answer = self.call(action, request.send()).await?;
        Ok(page(answer.instance_information_list, answer.next_token, convert::instance_information))
    }
}

impl AssumeRole for Clients {
    async fn assume_role(&self, role_arn: &str, external_id: Option<&str>) -> Answer<Session> {
        let action = <Self as AssumeRole>::ACTION;
        let request = self
            .sts
            .assume_role()
            .role_arn(role_arn)
            .role_session_name("eic-doctor")
            .set_external_id(external_id.map(str::to_owned));
        let credentials = self.call(action, request.send()).await?.credentials;
        let credentials =
            credentials.ok_or_else(|| Refused::new(action, RefusedKind::Ill, "the answer holds no credentials"))?;
        Ok(Session {
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key,
            session_token: credentials.session_token,
        })
    }
}
