//! From the coordinator's name to its addresses, without the C library's name service: a static program would load the host's libraries
//! for it, which another C library does not survive.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::parse::{DnsAnswer, DnsType, ResolvConf, dns_question, parse_dns_answer, parse_hosts, parse_resolv_conf};

/// Each server is asked twice, two seconds each time, for either kind of address at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const TRIES: usize = 2;
/// A short name in six domains at three servers that do not answer would take longer than anybody waits.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(15);
const DATAGRAM: usize = 1_500;
const FILE_LIMIT: u64 = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum NameError {
    #[error("`{}` is no name that can be looked up", eic_doctor_proto::visible(.0))]
    NoName(String),
    #[error("`{}` has no address: {why}", eic_doctor_proto::visible(.name))]
    NoAddress { name: String, why: String },
}

/// Where the answers are looked for.
#[derive(Clone, Debug)]
pub struct Names {
    pub hosts: PathBuf,
    pub resolv_conf: PathBuf,
    pub port: u16,
}

impl Default for Names {
    fn default() -> Self {
        Self { hosts: PathBuf::from("/etc/hosts"), resolv_conf: PathBuf::from("/etc/resolv.conf"), port: 53 }
    }
}

impl Names {
    /// An address as it is; a name's addresses from `/etc/hosts`, else from the name servers.
    pub async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let found = parse_hosts(&read(&self.hosts), host);
        if !found.is_empty() {
            return Ok(found);
        }
        let conf = parse_resolv_conf(&read(&self.resolv_conf));
        match timeout(LOOKUP_TIMEOUT, self.ask(host, conf)).await {
            Ok(found) => found,
            Err(_) => Err(no_address(host, format!("no server answered within {LOOKUP_TIMEOUT:?}"))),
        }
    }

    async fn ask(&self, host: &str, mut conf: ResolvConf) -> Result<Vec<IpAddr>, NameError> {
        if conf.servers.is_empty() {
            // resolv.conf(5): the name server on the local machine.
            conf.servers.push(Ipv4Addr::LOCALHOST.into());
        }
        // A name with a dot is taken as it is first, one without is looked for in the domains first (resolv.conf(5): ndots:1).
        let mut names: Vec<String> = conf.search.iter().map(|domain| format!("{host}.{domain}")).collect();
        match host {
            _ if host.ends_with('.') => names = vec![host.to_owned()],
            _ if host.contains('.') => names.insert(0, host.to_owned()),
            _ => names.push(host.to_owned()),
        }
        let mut why = "no server was asked".to_owned();
        for name in &names {
            match self.ask_servers(name, &conf.servers).await {
                Ok(found) if !found.is_empty() => return Ok(found),
                Ok(_) => why = "the name servers know none".to_owned(),
                Err(told) => why = told,
            }
        }
        Err(no_address(host, why))
    }

    /// IPv4 before IPv6, since every instance has the former.
    async fn ask_servers(&self, name: &str, servers: &[IpAddr]) -> Result<Vec<IpAddr>, String> {
        let mut why = String::new();
        for server in servers.iter().cycle().take(servers.len() * TRIES) {
            let server = SocketAddr::new(*server, self.port);
            let (v4, v6) = tokio::join!(one(server, name, DnsType::A), one(server, name, DnsType::Aaaa));
            match (v4, v6) {
                (Ok(v4), Ok(v6)) => return Ok(v4.into_iter().chain(v6).collect()),
                (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => return Ok(found),
                (Err(told), _) | (_, Err(told)) => why = format!("{server}: {told}"),
            }
        }
        Err(why)
    }
}

fn no_address(host: &str, why: String) -> NameError {
    NameError::NoAddress { name: host.to_owned(), why }
}

/// A file that cannot be read says nothing.
fn read(path: &std::path::Path) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    match std::fs::File::open(path).and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut bytes)) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

async fn one(server: SocketAddr, name: &str, kind: DnsType) -> Result<Vec<IpAddr>, String> {
    let mut id = [0; 2];
    SystemRandom::new().fill(&mut id).map_err(|_| "no random bytes".to_owned())?;
    let question = dns_question(u16::from_be_bytes(id), name, kind).ok_or("the name is none")?;
    let late = |_| format!("no answer within {ANSWER_TIMEOUT:?}");
    let asked = timeout(ANSWER_TIMEOUT, by_datagram(server, &question)).await.map_err(late)?;
    let answer = match asked.map_err(|error| error.to_string())? {
        DnsAnswer::Truncated => {
            let asked = timeout(ANSWER_TIMEOUT, by_stream(server, &question)).await.map_err(late)?;
            asked.map_err(|error| error.to_string())?
        }
        answer => answer,
    };
    match answer {
        DnsAnswer::Addresses(found) => Ok(found),
        DnsAnswer::NoSuchName => Ok(Vec::new()),
        DnsAnswer::Truncated => Err("its answer by TCP is cut too".to_owned()),
        DnsAnswer::Failed(code) => Err(format!("it answers with code {code}")),
    }
}

/// What does not answer this question is passed over: it may be forged. The port is new each time, and the kernel takes only what comes
/// from the server.
async fn by_datagram(server: SocketAddr, question: &[u8]) -> io::Result<DnsAnswer> {
    let any: SocketAddr = if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut bytes = [0; DATAGRAM];
    loop {
        let length = socket.recv(&mut bytes).await?;
        if let Some(answer) = parse_dns_answer(bytes.get(..length).unwrap_or_default(), question) {
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, question: &[u8]) -> io::Result<DnsAnswer> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    parse_dns_answer(&bytes, question).ok_or_else(|| io::Error::other("it answers another question"))
}
