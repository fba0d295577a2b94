//! What the agent does with a state folder that is not as it left it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use eic_doctor_agent::report::{Agent, chain, report_once};

use super::coordinator::Event;
use super::fleet;
use super::outside::{Virtual, instance};

#[tokio::test]
async fn a_cloned_disk_and_an_image_of_an_enrolled_instance_enrol_anew_with_another_key() {
    let (coordinator, settings, folder) = fleet().await;
    let outside = Virtual::new();
    let mut agent = Agent::open(&settings, &outside).await.unwrap();
    report_once(&mut agent).await.unwrap();
    drop(agent);
    let key = fs::read(folder.path().join("state/key.pk8")).unwrap();
    *outside.instance.lock().unwrap() = Some(instance("i-0fedcba9876543210"));
    let agent = Agent::open(&settings, &outside).await.unwrap();
    assert!(agent.has_to_enrol());
    assert_ne!(fs::read(folder.path().join("state/key.pk8")).unwrap(), key);
    let said = outside.said();
    assert!(
        said.contains("the state is of instance i-0123456789abcdef0")
            && said.contains("i-0fedcba9876543210 enrols anew"),
        "{said}"
    );
    drop(coordinator);
}

#[tokio::test]
async fn a_lost_state_folder_is_a_new_enrolment() {
    let (coordinator, settings, folder) = fleet().await;
    let outside = Virtual::new();
    for _ in 0..2 {
        let mut agent = Agent::open(&settings, &outside).await.unwrap();
        report_once(&mut agent).await.unwrap();
        drop(agent);
        assert!(matches!(coordinator.event().await, Event::Enrolled(..)));
        assert!(matches!(coordinator.event().await, Event::Report(..)));
        fs::remove_dir_all(folder.path().join("state")).unwrap();
    }
}

#[tokio::test]
async fn without_the_metadata_service_an_enrolled_agent_still_reports_unless_the_hardware_is_another() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    let mut agent = Agent::open(&settings, &outside).await.unwrap();
    report_once(&mut agent).await.unwrap();
    drop(agent);
    *outside.instance.lock().unwrap() = None;
    for hardware in [None, Some("i-0123456789abcdef0".to_owned())] {
        *outside.hardware.lock().unwrap() = hardware;
        let mut agent = Agent::open(&settings, &outside).await.unwrap();
        report_once(&mut agent).await.unwrap();
        assert!(outside.said().contains("the state of i-0123456789abcdef0 is used"));
    }
    *outside.hardware.lock().unwrap() = Some("i-0fedcba9876543210".to_owned());
    let error = chain(&Agent::open(&settings, &outside).await.err().unwrap());
    assert!(error.contains("which instance this is"), "{error}");
    drop(coordinator);
}

#[tokio::test]
async fn without_the_metadata_service_and_without_state_nothing_is_claimed() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    *outside.instance.lock().unwrap() = None;
    let error = chain(&Agent::open(&settings, &outside).await.err().unwrap());
    assert_eq!(error, "it cannot be told which instance this is: IMDS gives no token: timed out");
    drop(coordinator);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_said_with_its_path_and_what_to_do() {
    let (coordinator, settings, folder) = fleet().await;
    let outside = Virtual::new();
    let state = folder.path().join("state");
    let error = async || {
        let error = Agent::open(&settings, &outside).await.err().unwrap();
        assert!(error.is_ours());
        chain(&error)
    };
    fs::write(&state, "a file").unwrap();
    let told = error().await;
    assert!(told.contains("state") && told.contains("Not a directory"), "{told}");
    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    let told = error().await;
    assert!(told.contains("mode 0755") && told.contains("chmod 700"), "{told}");
    fs::remove_dir(&state).unwrap();
    fs::remove_file(&settings.authorities).unwrap();
    let told = error().await;
    assert!(told.contains("authorities") && told.contains("authorities.pem"), "{told}");
    fs::write(&settings.authorities, "-----BEGIN NOTHING-----\n").unwrap();
    assert!(error().await.contains("holds no certificate"));
    drop(coordinator);
}
