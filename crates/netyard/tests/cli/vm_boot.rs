//! A yard before and after a reboot. `cargo xtask vm` runs what is in `before` in a
//! first boot and what is in `after` in a second one, with the same disk.

const YARD: &str = "\
yard: lasting
networks: { lan: { prefix: 10.77.0.0/24, host: { address: 10.77.0.1/24 } } }
nodes: { a: { interfaces: { eth0: { network: lan, address: 10.77.0.2/24 } } } }
";

fn sh(script: &str) -> String {
    let output = std::process::Command::new("bash").args(["-ec", script]).output().expect("bash");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

mod before {
    #[test]
    #[ignore = "needs the VM tier: systemd, and a reboot"]
    fn a_yard_is_enabled() {
        let _alone = crate::vm_container::machine();
        std::fs::create_dir_all("/etc/netyard").expect("root");
        std::fs::write("/etc/netyard/lasting.yaml", super::YARD).expect("root");
        super::sh(
            "install $NETYARD_BIN /usr/local/bin/netyard
                   netyard enable --now -f /etc/netyard/lasting.yaml
                   if systemd-analyze verify --man=no /etc/systemd/system/netyard-lasting.service 2>&1 | grep netyard; then exit 1; fi
                   test $(systemctl is-active netyard-lasting.service) = active
                   netyard plan --check -f /etc/netyard/lasting.yaml
                   netyard exec -f /etc/netyard/lasting.yaml a -- ping -c1 -W5 10.77.0.1",
        );
    }
}

mod after {
    #[test]
    #[ignore = "needs the VM tier: systemd, and a reboot"]
    fn it_is_up_as_the_file_says_and_can_be_disabled() {
        let _alone = crate::vm_container::machine();
        // Wanted by the boot itself: started, or about to be.
        let state = super::sh("systemctl show -P Job -P ActiveState netyard-lasting.service");
        assert!(
            !state.contains("inactive")
                || state.lines().any(|l| l.parse().is_ok_and(|job: u32| job > 0)),
            "{state}"
        );
        super::sh(
            "systemctl start netyard-lasting.service
                   netyard plan --check -f /etc/netyard/lasting.yaml
                   netyard exec -f /etc/netyard/lasting.yaml a -- ping -c1 -W5 10.77.0.1
                   systemctl show -P Before netyard-lasting.service | grep -q network-online.target
                   systemctl stop netyard-lasting.service
                   if ip -o link | grep -q lasting; then exit 1; fi
                   if netyard exec --yard lasting a -- true; then exit 1; fi
                   systemctl start netyard-lasting.service
                   netyard disable --yard lasting
                   test ! -e /etc/systemd/system/netyard-lasting.service
                   netyard plan --check -f /etc/netyard/lasting.yaml
                   netyard down --yard lasting
                   test \"$(systemctl is-active netyard-lasting.service)\" = inactive",
        );
    }
}
