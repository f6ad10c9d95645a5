#!/bin/bash
# run.sh [--limit SECONDS] [--boots N] [--share DIR]... IMAGE SCRIPT
#
# Boots the guest in IMAGE (from build-image.sh), runs SCRIPT in it as root, streams what it
# prints and returns its status. Each shared DIR is seen by the guest at the same path, read-only.
# The disk is a throw-away overlay, so runs do not see each other and may run side by side.
# With --boots 2 SCRIPT runs twice, before and after an orderly reboot, on the same overlay;
# the environment tells it which (VM_BOOT=1, VM_BOOT=2). The first that fails is the last.
#
# Status: SCRIPT's own; 124 when the limit was reached; 125 when the guest died before the end.
# Environment: VM_MEMORY=2048 (MB)  VM_CPUS=2
set -u

main() {
    local limit=600 boots=1 shares=()
    while [ $# -gt 0 ]; do
        case $1 in
            --limit) limit=$2; shift 2 ;;
            --boots) boots=$2; shift 2 ;;
            --share) shares+=("$(realpath "$2")"); shift 2 ;;
            *) break ;;
        esac
    done
    [ $# = 2 ] || { echo "usage: run.sh [--limit SECONDS] [--boots N] [--share DIR]... IMAGE SCRIPT" >&2; exit 2; }
    image=$(realpath "$1")
    [ -e "$image/stamp" ] || { echo "vm: no image in $1: run build-image.sh first" >&2; exit 125; }

    job=$(mktemp -d "$(roomy_directory)/netyard-vm.XXXXXX")
    machine=
    trap 'leave' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    cp "$2" "$job/script" && chmod +x "$job/script" || exit 125
    printf '%s\n' ${shares[@]+"${shares[@]}"} | sed '/^$/d' >"$job/shares"

    local number ended
    disk="file=$image/root.ext4,format=raw,if=none,id=root,snapshot=on,cache=unsafe"
    if [ "$boots" -gt 1 ]; then
        qemu-img create -q -f qcow2 -b "$image/root.ext4" -F raw "$job/disk.qcow2" || exit 125
        disk="file=$job/disk.qcow2,format=qcow2,if=none,id=root,cache=unsafe"
    fi
    for number in $(seq "$boots"); do
        write_job "$number" "$boots"
        boot "$limit" ${shares[@]+"${shares[@]}"} &
        machine=$!
        wait "$machine"
        ended=$?
        machine=
        [ "$(cat "$job/status" 2>/dev/null)" = 0 ] && [ "$number" -lt "$boots" ] || break
        rm -f "$job"/{status,times,silence}
    done
    report "$limit" "$ended"
}

# What the guest runs in this boot. Where another follows, the machine goes down in order: units
# are stopped, the disk is written; this job is ended with the rest, so its status is written
# before. After the first boot, what a usual boot wants is started beside the job.
write_job() { # NUMBER OF
    {
        printf '#!/bin/bash\nexport VM_BOOT=%s\n/job/script\nstatus=$?\n' "$1"
        if [ "$1" -lt "$2" ]; then
            printf '[ $status = 0 ] || exit $status\n'
            printf 'echo 0 >/job/status; sync -f /job\nsystemctl --no-block reboot\nexec sleep infinity\n'
        fi
        printf 'exit $status\n'
    } >"$job/run"
    chmod +x "$job/run"
    wanted=
    if [ "$1" -gt 1 ]; then wanted=systemd.wants=multi-user.target; fi
}

leave() {
    [ -z "$machine" ] || { kill "$machine" 2>/dev/null; wait "$machine"; }
    rm -rf "$job"
}

roomy_directory() {
    local free
    free=$(df --output=avail -m /dev/shm 2>/dev/null | tail -1) || free=0
    if [ "${free:-0}" -ge 3000 ]; then echo /dev/shm; else echo /var/tmp; fi
}

# `kvm_pvm` offers /dev/kvm, too, but emulates a stock kernel instruction by instruction:
# slower than QEMU's own translation.
accelerator() {
    if [ -w /dev/kvm ] && [ ! -d /sys/module/kvm_pvm ] &&
        { [ -d /sys/module/kvm_intel ] || [ -d /sys/module/kvm_amd ]; }; then
        echo "-accel kvm -cpu host"
    else
        echo "-accel tcg,thread=multi,tb-size=1024 -cpu max"
    fi
}

boot() { # LIMIT SHARE...
    local limit=$1 number=0 share shared=()
    shift
    for share in "$@"; do
        shared+=(-virtfs "local,path=$share,mount_tag=share$number,security_model=none,multidevs=remap,readonly=on")
        number=$((number + 1))
    done
    local kernel_line="console=ttyS0 quiet loglevel=4 panic=-1 reboot=t mitigations=off tsc=reliable \
no_timer_check nokaslr audit=0 selinux=0 apparmor=0 random.trust_cpu=on cryptomgr.notests net.ifnames=0 \
systemd.unit=vm-job.target systemd.show_status=0 systemd.log_level=warning $wanted ${VM_APPEND:-}"
    # The guest may write to its port only as long as the host's side has not seen the end of
    # its input: a FIFO that we hold open ourselves never ends.
    mkfifo "$job/silence"
    # setpriv: the clock dies with this script and the machine with the clock, however they end.
    # shellcheck disable=SC2046
    TMPDIR=$job exec setpriv --pdeathsig TERM timeout -k 5 "$limit" \
        setpriv --pdeathsig KILL qemu-system-x86_64 \
        -M q35 $(accelerator) -m "${VM_MEMORY:-2048}" -smp "${VM_CPUS:-2}" \
        -nodefaults -no-user-config -nographic -no-reboot \
        -kernel "$image/vmlinux" -initrd "$image/initrd.cpio" -append "$kernel_line" \
        -drive "$disk" \
        -device virtio-blk-pci,drive=root -device virtio-rng-pci \
        -virtfs "local,path=$job,mount_tag=job,security_model=none,multidevs=remap" \
        ${shared[@]+"${shared[@]}"} \
        -chardev "file,id=console,path=$job/console" -serial chardev:console \
        -device virtio-serial-pci -chardev stdio,id=job,signal=off \
        -device virtserialport,chardev=job,name=job \
        <>"$job/silence" 2>"$job/qemu.errors"
}

report() { # LIMIT STATUS-OF-QEMU
    local status
    status=$(cat "$job/status" 2>/dev/null)
    if [ -n "$status" ]; then
        { echo -n "vm: "; paste -sd, "$job/times"; } >&2
        exit "$status"
    fi
    case $2 in
        124 | 137) echo "vm: stopped at the limit of $1 s" >&2; status=124 ;;
        *) echo "vm: the guest died before the job ended (qemu: $2)" >&2; status=125 ;;
    esac
    echo "vm: the last lines of its console:" >&2
    cat "$job/console" "$job/qemu.errors" 2>/dev/null | tail -n 40 | tr -d '\033\r' >&2
    exit "$status"
}

main "$@"
