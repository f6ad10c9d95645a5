# The project's tasks, by their short names. `cargo xtask` does the work.

# list the tasks
default:
    @just --list --unsorted

# format, lints, architecture rules, licences and every test that runs natively
check:
    cargo xtask check

# all tests that run natively, or those of a name
test *FILTER:
    cargo test --workspace {{FILTER}}

# the tests that need Debian's own kernel, in a virtual machine; `just vm --only-vm vlan`
vm *OPTIONS:
    cargo xtask vm {{OPTIONS}}

# measure netyard beside a floor and its peers
bench *OPTIONS:
    cargo build --release --package netyard --package netyard-bench
    target/release/netyard-bench {{OPTIONS}}

# the reference of all crates
docs:
    cargo doc --workspace --no-deps

# format everything
fmt:
    cargo fmt --all

# what the last `just check` and `just vm` ran
tiers:
    cargo xtask tiers

# everything that continuous integration does, including the installation of tools (as root)
ci:
    bash .ci/run
