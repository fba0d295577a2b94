//! `--ip-ranges FILE|URL`: AWS's published address ranges, newer than the built-in table.
//!
//! Nothing is downloaded unless the user names a URL. A file that is empty, cut or holds no range of the service is refused with one
//! error: taken as it stands it would say that the service has no addresses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use eic_doctor_proto::visible;
use ipnet::{Ipv4Net, Ipv6Net};

use super::download::download;
use super::regular_file::read_regular_file;
use crate::facts::IpRanges;

/// AWS's file has about two megabytes.
const LIMIT: usize = 16 * 1024 * 1024;

/// As AWS calls it.
const SERVICE: &str = "EC2_INSTANCE_CONNECT";

#[derive(Debug, thiserror::Error)]
pub enum IpRangesError {
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("get {url}")]
    Get {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{at} is larger than {LIMIT} bytes, which AWS's ip-ranges.json is not")]
    TooLarge { at: String },
    #[error("{at} is not AWS's ip-ranges.json, or only a part of it: {}", visible(.text))]
    Shape { at: String, text: String },
}

pub fn read_ip_ranges(path: &Path) -> Result<IpRanges, IpRangesError> {
    let failed = |source| IpRangesError::Read { path: path.to_owned(), source };
    let bytes = read_regular_file(path, LIMIT as u64).map_err(failed)?;
    parse(&bytes, &path.display().to_string())
}

pub async fn download_ip_ranges(url: &str, timeout: Duration) -> Result<IpRanges, IpRangesError> {
    let failed = |source| IpRangesError::Get { url: url.to_owned(), source };
    let body = download(url, timeout, LIMIT).await.map_err(failed)?;
    parse(&body, url)
}

/// Keeps the service's ranges alone.
fn parse(bytes: &[u8], at: &str) -> Result<IpRanges, IpRangesError> {
    let at = || visible(at).into_owned();
    if bytes.len() > LIMIT {
        return Err(IpRangesError::TooLarge { at: at() });
    }
    let shape = |text: String| IpRangesError::Shape { at: at(), text };
    let all: IpRanges = serde_json::from_slice(bytes).map_err(|error| shape(error.to_string()))?;
    checked(all).map_err(shape)
}

/// The service's ranges alone, or what is wrong with the file.
pub(super) fn checked(mut all: IpRanges) -> Result<IpRanges, String> {
    all.prefixes.retain(|prefix| prefix.service == SERVICE);
    all.ipv6_prefixes.retain(|prefix| prefix.service == SERVICE);
    if all.prefixes.is_empty() && all.ipv6_prefixes.is_empty() {
        return Err(format!("it holds no address range of {SERVICE}"));
    }
    let v4 = all.prefixes.iter().map(|prefix| &prefix.ip_prefix);
    let v6 = all.ipv6_prefixes.iter().map(|prefix| &prefix.ipv6_prefix);
    let not_v4 = v4.filter(|prefix| prefix.parse::<Ipv4Net>().is_err());
    let not_v6 = v6.filter(|prefix| prefix.parse::<Ipv6Net>().is_err());
    match not_v4.chain(not_v6).next() {
        Some(odd) => Err(format!("`{odd}` is no address range")),
        None if !is_date(&all.create_date) => Err(format!("`{}` is no date", all.create_date)),
        None => Ok(all),
    }
}

/// `2026-08-21-23-57-05`
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq([4, 2, 2, 2, 2, 2]) && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;

    const GOOD: &str = r#"{"syncToken": "1787356625", "createDate": "2026-08-21-23-57-05",
        "prefixes": [
            {"ip_prefix": "3.4.12.4/32", "region": "eu-west-1", "service": "AMAZON", "network_border_group": "eu-west-1"},
            {"ip_prefix": "18.202.216.48/29", "region": "eu-west-1", "service": "EC2_INSTANCE_CONNECT", "network_border_group": "eu-west-1"}],
        "ipv6_prefixes": [
            {"ipv6_prefix": "2a05:d018:403:4e00::/56", "region": "eu-west-1", "service": "EC2_INSTANCE_CONNECT", "network_border_group": "eu-west-1"}]}"#;

    #[test]
    fn awss_own_file_is_read_and_other_services_are_left_out() {
        let ranges = parse(GOOD.as_bytes(), "ip-ranges.json").unwrap();
        assert_eq!(ranges.create_date, "2026-08-21-23-57-05");
        assert_eq!((ranges.prefixes.len(), ranges.ipv6_prefixes.len()), (1, 1));
        // What is kept reads as AWS's file again.
        assert_eq!(parse(&serde_json::to_vec(&ranges).unwrap(), "kept").unwrap(), ranges);
    }

    #[test]
    fn what_is_empty_cut_or_something_else_is_one_error_and_never_no_ranges() {
        let of_amazon = GOOD.replace("EC2_INSTANCE_CONNECT", "AMAZON");
        let no_date = GOOD.replace("2026-08-21-23-57-05", "\\u001b[2J");
        let no_range = GOOD.replace("18.202.216.48/29", "18.202.216.48/33");
        let cut = GOOD.get(..GOOD.len() - 40).unwrap();
        for (text, word) in [
            ("", "only a part of it"),
            (cut, "only a part of it"),
            ("{}", "only a part of it"),
            (r#"{"createDate": "2026-08-21-23-57-05", "prefixes": [], "ipv6_prefixes": []}"#, "no address range of"),
            ("<html>Not Found</html>", "not AWS's ip-ranges.json"),
            (&of_amazon, "no address range of"),
            (&no_date, "is no date"),
            (&no_range, "is no address range"),
        ] {
            let error = parse(text.as_bytes(), "the file").unwrap_err().to_string();
            assert!(error.starts_with("the file ") && error.contains(word), "{error}");
            assert!(!error.contains('\u{1b}'), "{error}");
        }
        let large = vec![b' '; LIMIT + 1];
        assert!(matches!(parse(&large, "x"), Err(IpRangesError::TooLarge { .. })));
    }

    #[test]
    fn a_fifo_a_folder_and_a_device_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for path in [Path::new("/dev/zero"), folder.path(), &fifo] {
            assert!(matches!(read_ip_ranges(path), Err(IpRangesError::Read { .. })), "{}", path.display());
        }
    }

    /// Answers one request with this.
    fn served(head: &'static str, body: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/ip-ranges.json", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            // Whoever has seen enough hangs up.
            let _ = write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}");
        });
        url
    }

    #[tokio::test]
    async fn a_url_is_downloaded_and_what_is_no_file_of_awss_is_one_error() {
        let get = |url: String| async move { download_ip_ranges(&url, Duration::from_secs(60)).await };
        let ranges = get(served("200 OK", GOOD.to_owned())).await.unwrap();
        assert_eq!(ranges, parse(GOOD.as_bytes(), "").unwrap());
        let cut = GOOD.get(..100).unwrap().to_owned();
        assert!(matches!(get(served("200 OK", cut)).await, Err(IpRangesError::Shape { .. })));
        assert!(matches!(get(served("404 Not Found", String::new())).await, Err(IpRangesError::Get { .. })));
        let flood = " ".repeat(LIMIT + 1);
        assert!(matches!(get(served("200 OK", flood)).await, Err(IpRangesError::TooLarge { .. })));
    }
}
