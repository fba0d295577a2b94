//! Who stands at the other end of a connection: put into each request by the listener, read by the services.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::{Request, Status};

use super::config::Role;
use crate::authority::PeerIdentity;

#[derive(Clone)]
pub(super) struct Peer {
    pub address: SocketAddr,
    /// What the client certificate says, where there is one and an authority of ours signed it.
    pub identity: Option<Arc<PeerIdentity>>,
    pub streams: Arc<AtomicUsize>,
}

impl Peer {
    pub fn of<T>(request: &Request<T>) -> Result<&Self, Status> {
        request.extensions().get::<Self>().ok_or_else(|| Status::internal("the listener told nothing of the peer"))
    }

    /// The instance that speaks.
    pub fn identity(&self) -> Result<&Arc<PeerIdentity>, Status> {
        self.identity
            .as_ref()
            .ok_or_else(|| Status::unauthenticated("an agent's client certificate is needed here: enrol first"))
    }
}

/// A stream that holds its connection open; counted while it lives.
pub(super) struct Holding(Arc<AtomicUsize>);

impl Holding {
    pub fn begin(streams: &Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(streams))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An operator, and what he or she may do.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    pub name: String,
    pub role: Option<Role>,
}

impl Operator {
    /// The operator behind a request, if the role is enough.
    pub fn needed<T>(request: &Request<T>, needed: Role) -> Result<&Self, Status> {
        let operator = request
            .extensions()
            .get::<Self>()
            .ok_or_else(|| Status::internal("the listener told nothing of the operator"))?;
        match operator.role {
            Some(role) if role >= needed => Ok(operator),
            Some(role) => Err(Status::permission_denied(format!(
                "{} has the role `{}`, and this needs `{}`: see `operators.roles` in the coordinator's configuration",
                operator.name,
                role.word(),
                needed.word()
            ))),
            None => Err(Status::permission_denied(format!(
                "{} has no role: see `operators.roles` in the coordinator's configuration",
                operator.name
            ))),
        }
    }
}
