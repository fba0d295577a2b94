//! What the coordinator is held against: tonic over rustls with the same certificates and nothing behind it, which acknowledges whatever
//! comes.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use eic_doctor::authority::{Authority, ServerCertificate, server_config};
use eic_doctor_proto::wire::v1;
use eic_doctor_proto::wire::v1::agent_message::Message as Said;
use eic_doctor_proto::wire::v1::agent_service_server::{AgentService, AgentServiceServer};
use eic_doctor_proto::wire::v1::coordinator_message::Message as Told;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::rig::process::SERVING;
use crate::{DAY, now};

/// Serves on a port of its own choice until it is killed.
#[expect(clippy::print_stderr, reason = "whoever began it reads there where it serves, as from the coordinator")]
pub async fn serve(authority: &Path) {
    let authority = Authority::embedded(authority, now()).unwrap();
    let own = authority.issue_server(&["localhost".to_owned()], now(), DAY).unwrap();
    let tls = server_config(&authority, Arc::new(ServerCertificate::new(own).unwrap())).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    eprintln!("{SERVING}{}", listener.local_addr().unwrap());
    let (connected, connections) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, connected) = (acceptor.clone(), connected.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = connected.send(Ok::<_, std::io::Error>(stream)).await;
                }
            });
        }
    });
    let server = Server::builder().add_service(AgentServiceServer::new(Bare));
    server.serve_with_incoming(ReceiverStream::new(connections)).await.unwrap();
}

struct Bare;

type ToAgent = Pin<Box<dyn Stream<Item = Result<v1::CoordinatorMessage, Status>> + Send>>;

#[tonic::async_trait]
impl AgentService for Bare {
    type ConnectStream = ToAgent;

    async fn renew(&self, _: Request<v1::RenewRequest>) -> Result<Response<v1::Issued>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn submit_report(
        &self,
        _: Request<v1::SubmitReportRequest>,
    ) -> Result<Response<v1::SubmitReportResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn connect(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let acknowledged = request.into_inner().filter_map(|said| match said.map(|said| said.message) {
            Ok(Some(Said::Report(report))) => {
                let told = v1::SubmitReportResponse {
                    next_report_after_ms: 3_600_000,
                    digest: vec![1; 32],
                    sequence: report.sequence,
                };
                Some(Ok(v1::CoordinatorMessage { message: Some(Told::Acknowledged(told)) }))
            }
            Ok(_) => None,
            Err(status) => Some(Err(status)),
        });
        Ok(Response::new(Box::pin(acknowledged)))
    }
}
