//! Names without the C library: files and name servers that a test plays.

use std::net::{IpAddr, Ipv4Addr};

use eic_doctor_agent::report::Names;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

/// Answers each question by datagram with what `answer` makes of it.
async fn server(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            for message in answer(&bytes[..length]) {
                let _ = socket.send_to(&message, from).await;
            }
        }
    });
    port
}

/// The question with these flags, and one record of an address where the question is for IPv4.
fn answered(question: &[u8], flags: [u8; 2], address: [u8; 4]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2..4].copy_from_slice(&flags);
    if question[question.len() - 3] == 1 {
        answer[7] = 1;
        answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04");
        answer.extend(address);
    }
    answer
}

fn names(folder: &tempfile::TempDir, port: u16) -> Names {
    let names = Names { hosts: folder.path().join("hosts"), resolv_conf: folder.path().join("resolv.conf"), port };
    std::fs::write(&names.hosts, "10.9.9.9 kept.example kept\n").unwrap();
    std::fs::write(&names.resolv_conf, "nameserver 127.0.0.1\nsearch corp.example\n").unwrap();
    names
}

fn one(address: [u8; 4]) -> Vec<IpAddr> {
    vec![IpAddr::from(Ipv4Addr::from(address))]
}

#[tokio::test]
async fn addresses_are_themselves_and_the_hosts_file_comes_before_any_server() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let names = names(&folder, 1);
    assert_eq!(names.lookup("10.0.0.7").await.unwrap(), one([10, 0, 0, 7]));
    assert_eq!(names.lookup("fd00::7").await.unwrap(), ["fd00::7".parse::<IpAddr>().unwrap()]);
    assert_eq!(names.lookup("KEPT.example").await.unwrap(), one([10, 9, 9, 9]));
}

#[tokio::test]
async fn a_server_is_asked_and_a_forged_answer_before_its_own_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let port = server(|question| {
        let mut forged = answered(question, [0x81, 0x80], [6, 6, 6, 6]);
        forged[0] ^= 1;
        vec![forged, b"garbage".to_vec(), answered(question, [0x81, 0x80], [10, 0, 0, 8])]
    })
    .await;
    assert_eq!(names(&folder, port).lookup("eic.example").await.unwrap(), one([10, 0, 0, 8]));
}

#[tokio::test]
async fn a_short_name_is_looked_for_in_the_domain_and_one_that_is_nowhere_has_no_address() {
    let folder = tempfile::tempdir().unwrap();
    let port = server(|question| {
        let is_ours = question.windows(13).any(|window| window == b"\x04corp\x07example");
        let flags = if is_ours { [0x81, 0x80] } else { [0x81, 0x83] };
        vec![if is_ours {
            answered(question, flags, [10, 0, 0, 9])
        } else {
            [&question[..2], &flags, &question[4..]].concat()
        }]
    })
    .await;
    let names = names(&folder, port);
    assert_eq!(names.lookup("eic").await.unwrap(), one([10, 0, 0, 9]));
    let error = names.lookup("eic.other.").await.unwrap_err().to_string();
    assert!(error.contains("`eic.other.` has no address"), "{error}");
    assert!(names.lookup("a..b").await.is_err());
}

#[tokio::test]
async fn an_answer_that_is_cut_is_fetched_by_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let port = server(|question| vec![answered(question, [0x83, 0x80], [6, 6, 6, 6])]).await;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await.unwrap();
            let answer = answered(&question, [0x81, 0x80], [10, 0, 0, 10]);
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    assert_eq!(names(&folder, port).lookup("eic.example").await.unwrap(), one([10, 0, 0, 10]));
}
