//! Amazon EC2.

use aws_sdk_ec2::types::Filter;

use super::{Clients, all_pages, convert};
use crate::facts::{
    AvailabilityZone, BlockPublicAccessExclusion, BlockPublicAccessOptions, Image, InstanceConnectEndpoint,
    InstanceStatus, InternetGateway, ManagedPrefixList, NetworkAcl, NetworkInterface, PrefixListEntry, Region,
    Reservation, RouteTable, SecurityGroup, Subnet,
};
use crate::gather::operations::{
    DescribeAvailabilityZones, DescribeImages, DescribeInstanceConnectEndpoints, DescribeInstanceStatus,
    DescribeInstances, DescribeInternetGateways, DescribeManagedPrefixLists, DescribeNetworkAcls,
    DescribeNetworkInterfaces, DescribeRegions, DescribeRouteTables, DescribeSecurityGroups, DescribeSubnets,
    DescribeVpcBlockPublicAccessExclusions, DescribeVpcBlockPublicAccessOptions, GetManagedPrefixListEntries,
};
use crate::gather::refused::Answer;

fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

fn each<A, B>(items: Option<Vec<A>>, convert: fn(A) -> B) -> Vec<B> {
    items.unwrap_or_default().into_iter().map(convert).collect()
}

impl DescribeInstances for Clients {
    async fn describe_instances(&self, instance_id: &str) -> Answer<Vec<Reservation>> {
        // EC2 takes no MaxResults beside InstanceIds.
        all_pages(<Self as DescribeInstances>::ACTION, |token| async {
            let request = self.ec2.describe_instances().instance_ids(instance_id).set_next_token(token);
            let page = self.call(<Self as DescribeInstances>::ACTION, request.send()).await?;
            Ok((each(page.reservations, convert::reservation), page.next_token))
        })
        .await
    }
}

impl DescribeInstanceStatus for Clients {
    async fn describe_instance_status(&self, instance_id: &str) -> Answer<Vec<InstanceStatus>> {
        all_pages(<Self as DescribeInstanceStatus>::ACTION, |token| async {
            let request = self
                .ec2
                .describe_instance_status()
                .instance_ids(instance_id)
                .include_all_instances(true)
                .set_next_token(token);
            let page = self.call(<Self as DescribeInstanceStatus>::ACTION, request.send()).await?;
            Ok((each(page.instance_statuses, convert::instance_status), page.next_token))
        })
        .await
    }
}

impl DescribeImages for Clients {
    async fn describe_images(&self, image_id: &str) -> Answer<Vec<Image>> {
        all_pages(<Self as DescribeImages>::ACTION, |token| async {
            let request = self
                .ec2
                .describe_images()
                .image_ids(image_id)
                .include_deprecated(true)
                .include_disabled(true)
                .set_next_token(token);
            let page = self.call(<Self as DescribeImages>::ACTION, request.send()).await?;
            Ok((each(page.images, convert::image), page.next_token))
        })
        .await
    }
}

impl DescribeRegions for Clients {
    async fn describe_regions(&self) -> Answer<Vec<Region>> {
        let request = self.ec2.describe_regions().all_regions(true);
        let answer = self.call(<Self as DescribeRegions>::ACTION, request.send()).await?;
        Ok(each(answer.regions, convert::region))
    }
}

impl DescribeAvailabilityZones for Clients {
    async fn describe_availability_zones(&self) -> Answer<Vec<AvailabilityZone>> {
        let request = self.ec2.describe_availability_zones().all_availability_zones(true);
        let answer = self.call(<Self as DescribeAvailabilityZones>::ACTION, request.send()).await?;
        Ok(each(answer.availability_zones, convert::availability_zone))
    }
}

impl DescribeSubnets for Clients {
    async fn describe_subnets(&self, subnet_ids: &[String]) -> Answer<Vec<Subnet>> {
        all_pages(<Self as DescribeSubnets>::ACTION, |token| async {
            let request = self.ec2.describe_subnets().set_subnet_ids(Some(subnet_ids.to_vec())).set_next_token(token);
            let page = self.call(<Self as DescribeSubnets>::ACTION, request.send()).await?;
            Ok((each(page.subnets, convert::subnet), page.next_token))
        })
        .await
    }
}

impl DescribeSecurityGroups for Clients {
    async fn describe_security_groups(&self, group_ids: &[String]) -> Answer<Vec<SecurityGroup>> {
        all_pages(<Self as DescribeSecurityGroups>::ACTION, |token| async {
            let request =
                self.ec2.describe_security_groups().set_group_ids(Some(group_ids.to_vec())).set_next_token(token);
            let page = self.call(<Self as DescribeSecurityGroups>::ACTION, request.send()).await?;
            Ok((each(page.security_groups, convert::security_group), page.next_token))
        })
        .await
    }
}

impl DescribeNetworkAcls for Clients {
    async fn describe_network_acls(&self, vpc_ids: &[String]) -> Answer<Vec<NetworkAcl>> {
        all_pages(<Self as DescribeNetworkAcls>::ACTION, |token| async {
            let request = self
                .ec2
                .describe_network_acls()
                .filters(filter("vpc-id", vpc_ids))
                .max_results(1000)
                .set_next_token(token);
            let page = self.call(<Self as DescribeNetworkAcls>::ACTION, request.send()).await?;
            Ok((each(page.network_acls, convert::network_acl), page.next_token))
        })
        .await
    }
}

impl DescribeRouteTables for Clients {
    async fn describe_route_tables(&self, vpc_ids: &[String]) -> Answer<Vec<RouteTable>> {
        all_pages(<Self as DescribeRouteTables>::ACTION, |token| async {
            let request = self
                .ec2
                .describe_route_tables()
                .filters(filter("vpc-id", vpc_ids))
                .max_results(100)
                .set_next_token(token);
            let page = self.call(<Self as DescribeRouteTables>::ACTION, request.send()).await?;
            Ok((each(page.route_tables, convert::route_table), page.next_token))
        })
        .await
    }
}

impl DescribeInternetGateways for Clients {
    async fn describe_internet_gateways(&self) -> Answer<Vec<InternetGateway>> {
        all_pages(<Self as DescribeInternetGateways>::ACTION, |token| async {
            let request = self.ec2.describe_internet_gateways().max_results(1000).set_next_token(token);
            let page = self.call(<Self as DescribeInternetGateways>::ACTION, request.send()).await?;
            Ok((each(page.internet_gateways, convert::internet_gateway), page.next_token))
        })
        .await
    }
}

impl DescribeVpcBlockPublicAccessOptions for Clients {
    async fn describe_vpc_block_public_access_options(&self) -> Answer<BlockPublicAccessOptions> {
        let request = self.ec2.describe_vpc_block_public_access_options();
        let answer = self.call(<Self as DescribeVpcBlockPublicAccessOptions>::ACTION, request.send()).await?;
        Ok(answer.vpc_block_public_access_options.map(convert::block_public_access_options).unwrap_or_default())
    }
}

impl DescribeVpcBlockPublicAccessExclusions for Clients {
    async fn describe_vpc_block_public_access_exclusions(&self) -> Answer<Vec<BlockPublicAccessExclusion>> {
        all_pages(<Self as DescribeVpcBlockPublicAccessExclusions>::ACTION, |token| async {
            let request =
                self.ec2.describe_vpc_block_public_access_exclusions().max_results(1000).set_next_token(token);
            let page = self.call(<Self as DescribeVpcBlockPublicAccessExclusions>::ACTION, request.send()).await?;
            let exclusions = page.vpc_block_public_access_exclusions;
            Ok((each(exclusions, convert::block_public_access_exclusion), page.next_token))
        })
        .await
    }
}

impl DescribeInstanceConnectEndpoints for Clients {
    async fn describe_instance_connect_endpoints(&self) -> Answer<Vec<InstanceConnectEndpoint>> {
        all_pages(<Self as DescribeInstanceConnectEndpoints>::ACTION, |token| async {
            let request = self.ec2.describe_instance_connect_endpoints().max_results(50).set_next_token(token);
            let page = self.call(<Self as DescribeInstanceConnectEndpoints>::ACTION, request.send()).await?;
            Ok((each(page.instance_connect_endpoints, convert::instance_connect_endpoint), page.next_token))
        })
        .await
    }
}

impl DescribeNetworkInterfaces for Clients {
    async fn describe_network_interfaces(&self, interface_ids: &[String]) -> Answer<Vec<NetworkInterface>> {
        // A filter, since one id that is gone would cost the whole answer.
        all_pages(<Self as DescribeNetworkInterfaces>::ACTION, |token| async {
            let request = self
                .ec2
                .describe_network_interfaces()
                .filters(filter("network-interface-id", interface_ids))
                .max_results(1000)
                .set_next_token(token);
            let page = self.call(<Self as DescribeNetworkInterfaces>::ACTION, request.send()).await?;
            Ok((each(page.network_interfaces, convert::network_interface), page.next_token))
        })
        .await
    }
}

impl DescribeManagedPrefixLists for Clients {
    async fn describe_managed_prefix_lists(&self, names: &[String]) -> Answer<Vec<ManagedPrefixList>> {
        all_pages(<Self as DescribeManagedPrefixLists>::ACTION, |token| async {
            let request = self
                .ec2
                .describe_managed_prefix_lists()
                .set_filters((!names.is_empty()).then(|| vec![filter("prefix-list-name", names)]))
                .max_results(100)
                .set_next_token(token);
            let page = self.call(<Self as DescribeManagedPrefixLists>::ACTION, request.send()).await?;
            Ok((each(page.prefix_lists, convert::managed_prefix_list), page.next_token))
        })
        .await
    }
}

impl GetManagedPrefixListEntries for Clients {
    async fn get_managed_prefix_list_entries(&self, prefix_list_id: &str) -> Answer<Vec<PrefixListEntry>> {
        all_pages(<Self as GetManagedPrefixListEntries>::ACTION, |token| async {
            let request = self
                .ec2
                .get_managed_prefix_list_entries()
                .prefix_list_id(prefix_list_id)
                .max_results(100)
                .set_next_token(token);
            let page = self.call(<Self as GetManagedPrefixListEntries>::ACTION, request.send()).await?;
            Ok((each(page.entries, convert::prefix_list_entry), page.next_token))
        })
        .await
    }
}
