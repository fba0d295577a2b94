//! Status checks, managed nodes and images: what is not in an instance's page.
//!
//! Whole lists where there are many instances, those of a page's own ids where there are few: both cost a call for a page of answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use eic_doctor_proto::Fact;

use super::Found;
use super::fn_is_read::IsRead;
use super::operations::{DescribeImagesPage, DescribeInstanceInformationPage, DescribeInstanceStatusPage, Pages};
use super::pages::{all_pages, in_chunks};
use crate::facts::{Image, InstanceConnectEndpoint, InstanceInformation, InstanceStatus};
use crate::gather::Budget;
use crate::gather::refused::{Answer, Refused};
use crate::gather::trail::Trail;

/// `DescribeInstanceStatus` takes so many ids.
const STATUS_IDS: usize = 100;
/// `DescribeInstanceInformation` answers so many a page, so that more ids would only bring more pages.
const NODE_IDS: usize = 50;
/// A filter takes so many values.
const FILTER_VALUES: usize = 200;
/// More different ones are not shared but kept each: an impaired instance's has a time of its own.
const ALIKE: usize = 32;

/// What was read so far.
#[derive(Default)]
pub(super) struct Lists {
    pub endpoints: Vec<InstanceConnectEndpoint>,
    pub trail: Trail,
    statuses: Option<Fact<HashMap<String, Arc<InstanceStatus>>>>,
    nodes: Option<Fact<HashMap<String, InstanceInformation>>>,
    images: HashMap<String, Fact<Image>>,
    /// The instances are more than one page.
    is_large: bool,
}

/// What one page's look brought.
pub(super) struct Waited {
    statuses: Option<Fact<HashMap<String, Arc<InstanceStatus>>>>,
    nodes: Option<Fact<HashMap<String, InstanceInformation>>>,
    images: Vec<(String, Fact<Image>)>,
}

impl Lists {
    /// Called before each page is looked at.
    pub(super) fn expect(&mut self, _count: usize, is_followed: bool) {
        self.is_large |= is_followed;
    }

    pub(super) fn take(&mut self, waited: Waited) {
        if waited.statuses.is_some() {
            self.statuses = waited.statuses;
        }
        if waited.nodes.is_some() {
            self.nodes = waited.nodes;
        }
        self.images.extend(waited.images);
    }

    pub(super) fn status(&self, id: &str) -> Fact<InstanceStatus> {
        of(self.statuses.as_ref(), |all| {
            all.get(id).map(|status| InstanceStatus { instance_id: Some(id.to_owned()), ..(**status).clone() })
        })
    }

    pub(super) fn node(&self, id: &str) -> Fact<InstanceInformation> {
        of(self.nodes.as_ref(), |all| all.get(id).cloned())
    }

    pub(super) fn image(&self, id: Option<&str>) -> Fact<Image> {
        id.map_or(Fact::Absent, |id| self.images.get(id).cloned().unwrap_or_default())
    }
}

/// Absent from a list that was read is absent.
fn of<T, M>(list: Option<&Fact<M>>, find: impl FnOnce(&M) -> Option<T>) -> Fact<T> {
    match list {
        Some(Fact::Known(all)) => find(all).map_or(Fact::Absent, Fact::Known),
        Some(Fact::Unreadable(why)) => Fact::Unreadable(why.clone()),
        Some(Fact::Absent | Fact::NotGathered) | None => Fact::NotGathered,
    }
}

pub(super) async fn of_page<A: Pages>(
    aws: &A,
    budget: &Budget,
    lists: &Lists,
    found: &[Found],
    is_read: IsRead<'_>,
) -> Waited {
    let ids: Vec<String> = found.iter().filter_map(|found| found.instance.instance_id.clone()).collect();
    // A whole list that was read holds for every page.
    let is_wanted = |action: &str, is_there: bool| (is_read.0)(action) && !(lists.is_large && is_there);
    let statuses = async {
        let action = <A as DescribeInstanceStatusPage>::ACTION;
        match is_wanted(action, lists.statuses.is_some()) {
            true => Some(listed(statuses(aws, budget, lists.is_large, &ids).await, alike)),
            false => None,
        }
    };
    let nodes = async {
        let action = <A as DescribeInstanceInformationPage>::ACTION;
        match is_wanted(action, lists.nodes.is_some()) {
            true => Some(listed(nodes(aws, budget, lists.is_large, &ids).await, |all| {
                all.into_iter().filter_map(|node| Some((node.instance_id.clone()?, node))).collect()
            })),
            false => None,
        }
    };
    let images = async {
        match (is_read.0)(<A as DescribeImagesPage>::ACTION) {
            true => images(aws, budget, lists, found).await,
            false => Vec::new(),
        }
    };
    let (statuses, nodes, images) = tokio::join!(statuses, nodes, images);
    Waited { statuses, nodes, images }
}

/// Unlike about one thing, "not found" about a list answers nothing: one instance that is just gone spoils the others' answer.
fn listed<T, M>(answer: Answer<Vec<T>>, index: impl FnOnce(Vec<T>) -> M) -> Fact<M> {
    answer.map_or_else(|refused: Refused| Fact::Unreadable(refused.why()), |all| Fact::Known(index(all)))
}

async fn statuses<A: Pages>(aws: &A, budget: &Budget, all: bool, ids: &[String]) -> Answer<Vec<InstanceStatus>> {
    let action = <A as DescribeInstanceStatusPage>::ACTION;
    if all {
        return all_pages(budget, action, async |token| aws.describe_instance_status_page(&[], token).await).await;
    }
    in_chunks(ids, STATUS_IDS, async |ids| {
        all_pages(budget, action, async |token| aws.describe_instance_status_page(ids, token).await).await
    })
    .await
}

async fn nodes<A: Pages>(aws: &A, budget: &Budget, all: bool, ids: &[String]) -> Answer<Vec<InstanceInformation>> {
    let action = <A as DescribeInstanceInformationPage>::ACTION;
    if all {
        return all_pages(budget, action, async |token| aws.describe_instance_information_page(&[], token).await).await;
    }
    in_chunks(ids, NODE_IDS, async |ids| {
        all_pages(budget, action, async |token| aws.describe_instance_information_page(ids, token).await).await
    })
    .await
}

/// Those that no earlier page named.
async fn images<A: Pages>(aws: &A, budget: &Budget, lists: &Lists, found: &[Found]) -> Vec<(String, Fact<Image>)> {
    let ids: BTreeSet<&String> = found.iter().filter_map(|found| found.instance.image_id.as_ref()).collect();
    let ids: Vec<String> = ids.into_iter().filter(|id| !lists.images.contains_key(*id)).cloned().collect();
    let action = <A as DescribeImagesPage>::ACTION;
    let answer = in_chunks(&ids, FILTER_VALUES, async |ids| {
        all_pages(budget, action, async |token| aws.describe_images_page(ids, token).await).await
    });
    match answer.await {
        Ok(images) => {
            let mut known: HashMap<String, Image> =
                images.into_iter().filter_map(|image| Some((image.image_id.clone()?, image))).collect();
            ids.into_iter()
                .map(|id| {
                    let image = known.remove(&id).map_or(Fact::Absent, Fact::Known);
                    (id, image)
                })
                .collect()
        }
        Err(refused) => ids.into_iter().map(|id| (id, Fact::Unreadable(refused.why()))).collect(),
    }
}

/// Most instances have the same status but for their id, so that is kept once.
fn alike(statuses: Vec<InstanceStatus>) -> HashMap<String, Arc<InstanceStatus>> {
    let mut kinds: Vec<Arc<InstanceStatus>> = Vec::new();
    let mut by_id = HashMap::with_capacity(statuses.len());
    for mut status in statuses {
        let Some(id) = status.instance_id.take() else { continue };
        let kind = kinds.iter().find(|kind| ***kind == status).cloned().unwrap_or_else(|| {
            let kind = Arc::new(status);
            if kinds.len() < ALIKE {
                kinds.push(Arc::clone(&kind));
            }
            kind
        });
        by_id.insert(id, kind);
    }
    by_id
}
