//! The metadata service, asked as the keys command asks it: IMDSv2 on the IPv4 address, one second a request.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eic_doctor_proto::{Fact, OsUser, Untrusted};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time;

use crate::facts::{ImdsAnswer, ImdsView, OcspResponse, Signer, SignerCertificate, Validity};
use crate::parse::{self, Certificate, OcspAnswer};

use super::run;

/// The keys command speaks to this address only, never to the IPv6 one (`domain.md` §3.2, step 1).
pub(super) const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);
/// The keys command's own limit for a request.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// The keys command as a whole has five seconds; a request that finds no time left is not made.
pub(super) const VIEW_TIMEOUT: Duration = Duration::from_secs(5);
const BODY_KEPT: usize = 256;
const BODY_READ: usize = 4 * 1024;
/// A chain of four certificates has 6 to 8 kB.
const SIGNER_READ: usize = 64 * 1024;
/// There are three, one for each certificate but the last.
const STAPLES: usize = 8;
const SHA256_DIGITS: usize = 64;
const NOT_UNDERSTOOD: &str = "an OCSP response of the signer could not be understood";

/// The requests of the keys command up to the pushed keys, and what its signer's certificates say.
pub(super) struct Whole {
    pub view: ImdsView,
    pub signer: Fact<Signer>,
    /// The name, as DER, of the certificate authority that the chain leads to.
    pub root: Option<Vec<u8>>,
}

/// The requests in their order. What comes after a request without an answer is not asked.
pub(super) async fn view(address: SocketAddr, os_user: &OsUser) -> ImdsView {
    let mut asking = Asking::begin(address);
    let mut view = ImdsView::default();
    asking.metadata(&mut view, os_user).await;
    view
}

/// [`view`] and the requests after it, but the one for the keys themselves.
pub(super) async fn whole(address: SocketAddr, os_user: &OsUser) -> Whole {
    let mut asking = Asking::begin(address);
    let mut view = ImdsView::default();
    asking.metadata(&mut view, os_user).await;
    let mut certificates = Fact::NotGathered;
    let mut staples = Fact::NotGathered;
    if view.active_keys.known().is_some() {
        certificates = asking.certificates(&mut view).await;
        staples = asking.staples(&mut view).await;
    }
    let now = now();
    let root = match &certificates {
        // The signer's own, the one that signed it, and so on: what signed the second must be trusted here.
        Fact::Known(chain) => chain.get(1).or(chain.first()).map(|certificate| certificate.issuer.clone()),
        Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => None,
    };
    let signer = certificates.map(|chain| Signer {
        root: chain.get(1).or(chain.first()).map(|found| found.common_names().1).unwrap_or_default(),
        chain: Fact::Known(chain.iter().map(|certificate| signed(certificate, &staples)).collect()),
        certificates: validity(chain.iter().map(|found| (found.not_before, Some(found.not_after))), now),
        staples: all_staples(&staples, now),
    });
    Whole { view, signer, root }
}

/// One request as releases before 1.1.12 make it.
pub(super) async fn without_token(address: SocketAddr) -> Fact<ImdsAnswer> {
    match Asking::begin(address).get("instance-id", BODY_READ).await {
        Ok(answer) => Fact::Known(without_body(&answer)),
        Err(reason) => Fact::unreadable(reason),
    }
}

/// What IMDS has below `signer-ocsp/` by one name.
struct Staple {
    name: String,
    /// Nothing where IMDS does not hand it out; empty where it cannot be understood.
    answers: Option<Vec<OcspAnswer>>,
}

fn signed(certificate: &Certificate, staples: &Fact<Vec<Staple>>) -> SignerCertificate {
    let response = match staples.as_ref() {
        Fact::Known(staples) => response(certificate, staples),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    };
    SignerCertificate { name: certificate.common_names().0, response }
}

fn response(certificate: &Certificate, staples: &[Staple]) -> Fact<OcspResponse> {
    let fingerprint = certificate.sha1();
    match staples.iter().find(|staple| staple.name.eq_ignore_ascii_case(&fingerprint)) {
        Some(Staple { answers: None, .. }) => Fact::Known(OcspResponse::Refused),
        Some(Staple { answers: Some(answers), .. }) if answers.is_empty() => Fact::unreadable(NOT_UNDERSTOOD),
        Some(Staple { answers: Some(answers), .. }) => {
            let is_good = answers.iter().all(|answer| answer.is_good);
            Fact::Known(if is_good { OcspResponse::Good } else { OcspResponse::NotGood })
        }
        None if staples.iter().any(|staple| staple.name.len() == SHA256_DIGITS) => Fact::Known(OcspResponse::OtherName),
        None => Fact::Absent,
    }
}

fn all_staples(staples: &Fact<Vec<Staple>>, now: i64) -> Fact<Validity> {
    let staples = match staples {
        Fact::Known(staples) => staples,
        Fact::Absent => return Fact::Absent,
        Fact::Unreadable(why) => return Fact::Unreadable(why.clone()),
        Fact::NotGathered => return Fact::NotGathered,
    };
    let answers: Vec<_> = staples.iter().filter_map(|staple| staple.answers.as_deref()).collect();
    if answers.iter().any(|answers| answers.is_empty()) {
        return Fact::unreadable(NOT_UNDERSTOOD);
    }
    validity(answers.concat().iter().map(|answer| (answer.this_update, answer.next_update)), now)
}

/// When all of them hold; one without an end holds for ever.
fn validity(spans: impl Iterator<Item = (i64, Option<i64>)>, now: i64) -> Fact<Validity> {
    let ever = i64::from(u32::MAX);
    let spans: Vec<_> = spans.map(|(from, until)| (from - now, until.map_or(ever, |until| until - now))).collect();
    match (spans.iter().map(|span| span.0).max(), spans.iter().map(|span| span.1).min()) {
        (Some(from), Some(until)) => Fact::Known(Validity { from, until }),
        _ => Fact::Absent,
    }
}

/// Seconds since 1970 by the host's clock.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// One run of the keys command's requests.
pub(super) struct Asking {
    address: SocketAddr,
    until: Instant,
    token: Option<String>,
}

impl Asking {
    fn begin(address: SocketAddr) -> Self {
        Self { address, until: Instant::now() + VIEW_TIMEOUT, token: None }
    }

    /// With a token, or why there is none.
    pub(super) async fn with_token(address: SocketAddr) -> Result<Self, String> {
        let mut asking = Self::begin(address);
        match asking.ask(Method::PUT, "/latest/api/token", BODY_READ).await {
            Ok(answer) if answer.status == 200 => {
                asking.token = Some(String::from_utf8_lossy(&answer.body).trim().to_owned());
                Ok(asking)
            }
            Ok(answer) => Err(format!("IMDS gives no token: HTTP {}", answer.status)),
            Err(why) => Err(format!("IMDS gives no token: {why}")),
        }
    }

    pub(super) async fn ask(&self, method: Method, path: &str, room: usize) -> Result<Answer, String> {
        let left = self.until.saturating_duration_since(Instant::now()).min(REQUEST_TIMEOUT);
        let header = match (&self.token, &method) {
            (Some(token), _) => Some(("x-aws-ec2-metadata-token", token.as_str())),
            // Five seconds, as the keys command asks for.
            (None, &Method::PUT) => Some(("x-aws-ec2-metadata-token-ttl-seconds", "5")),
            (None, _) => None,
        };
        match time::timeout(left, ask(self.address, method, path, header, room)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("timed out after {}", run::seconds(left))),
        }
    }

    async fn get(&self, path: &str, room: usize) -> Result<Answer, String> {
        self.ask(Method::GET, &format!("/latest/meta-data/{path}"), room).await
    }

    async fn metadata(&mut self, view: &mut ImdsView, os_user: &OsUser) {
        match self.ask(Method::PUT, "/latest/api/token", BODY_READ).await {
            // The token is a credential: it is used and forgotten.
            Ok(answer) => {
                self.token = Some(String::from_utf8_lossy(&answer.body).trim().to_owned());
                view.token = Fact::Known(without_body(&answer));
                if answer.status != 200 {
                    return;
                }
            }
            Err(reason) => {
                view.token = Fact::unreadable(reason);
                return;
            }
        }
        let requests: [(&mut Fact<ImdsAnswer>, Method, String); 5] = [
            (&mut view.instance_id, Method::GET, "instance-id".to_owned()),
            (&mut view.availability_zone, Method::GET, "placement/availability-zone".to_owned()),
            (&mut view.domain, Method::GET, "services/domain".to_owned()),
            (&mut view.region, Method::GET, "placement/region".to_owned()),
            (&mut view.active_keys, Method::HEAD, format!("managed-ssh-keys/active-keys/{os_user}/")),
        ];
        for (fact, method, path) in requests {
            match self.ask(method, &format!("/latest/meta-data/{path}"), BODY_READ).await {
                Ok(answer) => *fact = Fact::Known(kept(&answer)),
                Err(reason) => {
                    *fact = Fact::unreadable(reason);
                    return;
                }
            }
        }
    }

    async fn certificates(&self, view: &mut ImdsView) -> Fact<Vec<Certificate>> {
        let answer = match self.get("managed-ssh-keys/signer-cert/", SIGNER_READ).await {
            Ok(answer) => answer,
            Err(reason) => {
                view.signer_cert = Fact::unreadable(&reason);
                return Fact::unreadable(reason);
            }
        };
        view.signer_cert = Fact::Known(without_body(&answer));
        if answer.status != 200 {
            return Fact::Absent;
        }
        match parse::parse_certificates(&answer.body).value {
            chain if chain.is_empty() => Fact::unreadable("what IMDS calls the signer's certificate is none"),
            chain => Fact::Known(chain),
        }
    }

    async fn staples(&self, view: &mut ImdsView) -> Fact<Vec<Staple>> {
        if view.signer_cert.known().is_none() {
            return Fact::NotGathered;
        }
        let list = match self.get("managed-ssh-keys/signer-ocsp/", BODY_READ).await {
            Ok(answer) => answer,
            Err(reason) => {
                view.signer_ocsp = Fact::unreadable(&reason);
                return Fact::unreadable(reason);
            }
        };
        view.signer_ocsp = Fact::Known(without_body(&list));
        if list.status != 200 {
            return Fact::Absent;
        }
        let mut found = Vec::new();
        let names = String::from_utf8_lossy(&list.body);
        // A name goes into a request, so it must be what EC2 Instance Connect's are: a fingerprint.
        let is_fingerprint = |name: &&str| name.len() <= 128 && name.chars().all(|c| c.is_ascii_hexdigit());
        for name in names.split_whitespace().filter(is_fingerprint).take(STAPLES) {
            match self.get(&format!("managed-ssh-keys/signer-ocsp/{name}"), SIGNER_READ).await {
                Ok(answer) => {
                    view.staples.push(Fact::Known(without_body(&answer)));
                    let answers = (answer.status == 200).then(|| parse::parse_ocsp(&answer.body).value);
                    found.push(Staple { name: name.to_owned(), answers });
                }
                Err(reason) => {
                    view.staples.push(Fact::unreadable(&reason));
                    return Fact::unreadable(reason);
                }
            }
        }
        Fact::Known(found)
    }
}

pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    latency_ms: u32,
    clock_ahead: Fact<i64>,
}

fn kept(answer: &Answer) -> ImdsAnswer {
    let body = answer.body.get(..BODY_KEPT).unwrap_or(&answer.body);
    ImdsAnswer { body: Untrusted::from_bytes(body), ..without_body(answer) }
}

fn without_body(answer: &Answer) -> ImdsAnswer {
    let Answer { status, latency_ms, clock_ahead, .. } = answer;
    ImdsAnswer {
        status: *status,
        body: Untrusted::default(),
        latency_ms: *latency_ms,
        clock_ahead: clock_ahead.clone(),
    }
}

/// One request on a connection of its own, as `curl` makes it; redirects are answers, not followed. Of the body, `room` bytes.
async fn ask(
    address: SocketAddr,
    method: Method,
    path: &str,
    header: Option<(&str, &str)>,
    room: usize,
) -> Result<Answer, String> {
    let begun = Instant::now();
    let stream = TcpStream::connect(address).await.map_err(|error| run::reason(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| said(&error))?;
    let mut request = Request::builder().method(method).uri(path).header("host", address.ip().to_string());
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|_| "the token is not one".to_owned())?;
    let exchange = async {
        let mut response = sender.send_request(request).await.map_err(|error| said(&error))?;
        let clock_ahead = match response.headers().get("date") {
            Some(date) => match parse::parse_http_date(date.as_bytes()).value {
                Some(date) => Fact::Known(now() - date),
                None => Fact::unreadable("its `Date:` is no date"),
            },
            None => Fact::Absent,
        };
        let mut body = Vec::new();
        while let Some(frame) = response.frame().await {
            let frame = frame.map_err(|error| said(&error))?;
            if let Some(data) = frame.data_ref() {
                let left = room.saturating_sub(body.len());
                body.extend_from_slice(data.get(..left).unwrap_or(data));
            }
            if body.len() >= room {
                break;
            }
        }
        let latency_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        Ok(Answer { status: response.status().as_u16(), body, latency_ms, clock_ahead })
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // The other side closed; what it sent before is still to be read.
        closed = &mut connection => match (exchange.await, closed) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Err(error)) => Err(said(&error)),
            (Err(reason), Ok(())) => Err(reason),
        },
    }
}

fn said(error: &hyper::Error) -> String {
    use std::error::Error as _;
    match error.source().and_then(|source| source.downcast_ref::<std::io::Error>()) {
        Some(source) => run::reason(source),
        None => format!("no HTTP answer: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that answers its requests in turn and hands back what was asked.
    fn serve(answers: Vec<&'static str>) -> (SocketAddr, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 2048];
                let length = stream.read(&mut request).unwrap();
                asked.push(String::from_utf8_lossy(&request[..length]).to_lowercase());
                // The client hangs up once it has read enough.
                let _ = stream.write_all(answer.as_bytes());
            }
            asked
        });
        (address, server)
    }

    fn look(address: SocketAddr) -> ImdsView {
        run::runtime().unwrap().block_on(view(address, &"ec2-user".parse().unwrap()))
    }

    #[test]
    fn the_requests_come_in_the_keys_commands_order_and_the_token_is_not_kept() {
        let (address, server) = serve(vec![
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nSECRET=",
            "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\ni-0123456789abcdef0",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\neu-west-1a",
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\neu-west-1\r\n0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 300\r\n\r\n",
        ]);
        let view = look(address);
        let asked = server.join().unwrap();
        assert!(asked[0].starts_with("put /latest/api/token http/1.1") && asked[0].contains("ttl-seconds: 5"));
        assert!(asked[1].starts_with("get /latest/meta-data/instance-id") && asked[1].contains("token: secret="));
        assert!(asked[5].starts_with("head /latest/meta-data/managed-ssh-keys/active-keys/ec2-user/ http"));
        assert!(!serde_json::to_string(&view).unwrap().contains("SECRET"));
        assert_eq!(view.instance_id.known().unwrap().body.raw(), "i-0123456789abcdef0");
        assert_eq!(view.availability_zone.known().unwrap().body.raw(), "eu-west-1a");
        assert_eq!(view.domain.known().unwrap().status, 302);
        assert_eq!(view.region.known().unwrap().body.raw(), "eu-west-1");
        assert_eq!(view.active_keys.known().unwrap().status, 404);
    }

    #[test]
    fn nothing_is_asked_without_a_token() {
        let (address, server) = serve(vec!["HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"]);
        let view = look(address);
        assert_eq!(server.join().unwrap().len(), 1);
        assert_eq!(view.token.known().unwrap().status, 403);
        assert_eq!(view.instance_id, Fact::NotGathered);
    }

    #[test]
    fn a_refused_connection_a_silent_server_and_rubbish_each_have_their_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(look(address).token, Fact::unreadable("timed out after 1 s"));
        drop(listener);
        assert_eq!(look(address).token, Fact::unreadable("connection refused"));
        let (address, server) = serve(vec!["SSH-2.0-OpenSSH_9.2p1\r\n"]);
        let Fact::Unreadable(why) = look(address).token else { panic!("rubbish was taken") };
        assert!(why.reason.starts_with("no HTTP answer"), "{}", why.reason);
        server.join().unwrap();
    }

    #[test]
    fn an_endless_body_is_cut() {
        let body = "x".repeat(100_000);
        let answer: &'static str = format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{body}").leak();
        let (address, server) = serve(vec!["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nt", answer]);
        let begun = run::runtime().unwrap().block_on(ask(address, Method::PUT, "/", None, BODY_READ)).unwrap();
        assert_eq!(begun.status, 200);
        let answer = run::runtime()
            .unwrap()
            .block_on(ask(address, Method::GET, "/", Some(("x-aws-ec2-metadata-token", "t")), BODY_READ))
            .unwrap();
        assert_eq!(answer.body.len(), BODY_READ);
        assert_eq!(kept(&answer).body.raw().len(), BODY_KEPT);
        server.join().unwrap();
    }
}
