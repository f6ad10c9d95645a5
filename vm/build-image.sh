#!/bin/bash
# build-image.sh OUT     builds the guest of the VM tier: OUT/{vmlinux,initrd.cpio,nested.cpio,root.ext4,stamp}
#
# Debian's own kernel and systemd, made from the packages in `packages` and the modules in
# `modules`, with `guest/` laid over it. Needs root (chroot) and the tools that
# `cargo xtask ci-tools` installs. With an image of the same recipe in OUT it does nothing.
#
# Environment: SUITE=trixie|bookworm|forky   (default trixie: kernel 6.12, systemd 257)
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "$0")" && pwd)
suite=${SUITE:-trixie}
kernel_package=linux-image-amd64
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

main() {
    out=${1:?usage: build-image.sh OUT}
    mirror=$(repository_of Debian)
    security=$(repository_of Debian-Security)
    [ -n "$mirror" ] || die "apt on this machine has no Debian archive configured, or its lists are empty: run apt-get update"
    stamp=$(recipe_hash)
    if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

    require_tools
    mkdir -p "$out"
    rm -f "$out"/{stamp,vmlinux,initrd.cpio,nested.cpio,root.ext4}
    work=$(mktemp -d "$(roomy_directory)/netyard-image.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    root=$work/root

    say "packages of $suite"
    bootstrap_root
    say "kernel"
    unpack_kernel
    install_modules
    write_vmlinux
    write_initrd
    write_nested
    say "configuration"
    configure_guest
    say "root file system"
    write_root_image
    echo "$stamp" >"$out/stamp"
    say "done: $(du -shc "$out"/{vmlinux,initrd.cpio,root.ext4} | tail -1 | cut -f1), kernel $version"
}

say() { echo "vm image +${SECONDS}s: $*"; }
die() { echo "vm image: $*" >&2; exit 1; }

# The archive that apt uses here, by the label its Release file carries.
repository_of() {
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        sed -n "s/^$1 //p" | sed -n '1s,/*$,,p'
}

recipe_hash() {
    { echo "$suite $mirror $security"
      cd "$here"; find . -type f ! -name run.sh ! -name '*.md' -print0 | sort -z | xargs -0 sha256sum; } |
        sha256sum | cut -d' ' -f1
}

require_tools() {
    [ "$(id -u)" = 0 ] || die "building needs root, running does not: sudo vm/build-image.sh $out"
    local tool missing=()
    for tool in mmdebstrap cpio modprobe depmod mke2fs xz zstd busybox; do
        command -v $tool >/dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} = 0 ] || die "missing: ${missing[*]}; install them with: cargo xtask ci-tools"
}

# Memory when it has the room: building is mostly small files.
roomy_directory() {
    local free
    free=$(df --output=avail -m /dev/shm 2>/dev/null | tail -1) || free=0
    if [ "${free:-0}" -ge 4000 ]; then echo /dev/shm; else echo /var/tmp; fi
}

packages_of() { # SUITE
    awk -v only="[$1]" -v not="[!$1]" '
        { sub(/#.*/, "") }
        NF == 0 || $2 == not || ($2 ~ /^\[[^!]/ && $2 != only) { next }
        { printf "%s%s", comma, $1; comma = "," }' "$here/packages"
}

bootstrap_root() {
    local sources=("deb [signed-by=$keyring] $mirror $suite main") options=()
    case $suite in
        bookworm | trixie)
            [ -z "$security" ] || sources+=("deb [signed-by=$keyring] $security $suite-security main") ;;
        *)  # a testing suite has no security archive, and its Release file may be old
            options+=(--aptopt='Acquire::Check-Valid-Until "false"') ;;
    esac
    local fetch_kernel="cd '$work/kernel.debs' && APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-get -q download \$(
        APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-cache depends --recurse --important $kernel_package |
        grep -oE '^linux-(image|binary|modules|base)-[0-9].*' | sort -u)"
    mkdir "$work/kernel.debs"
    TMPDIR=$work mmdebstrap --mode=root --variant=minbase "${options[@]}" \
        --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/qemu/edk2*' \
        --include="$(packages_of "$suite")" \
        --customize-hook="$fetch_kernel" \
        "$suite" "$root" "${sources[@]}" >"$out/build.log" 2>&1 ||
        { tail -30 "$out/build.log" >&2; die "mmdebstrap failed"; }
}

# Unpacked by hand: installing the package would build an initramfs that nobody boots.
unpack_kernel() {
    local deb
    for deb in "$work"/kernel.debs/*.deb; do dpkg -x "$deb" "$work/kernel"; done
    vmlinuz=$(find "$work/kernel" -name 'vmlinuz*' -type f | head -1)
    local modules
    modules=$(find "$work/kernel" -name modules.order -printf '%h\n' | head -1)
    version=$(basename "$modules")
    if [ -d "$work/kernel/lib/modules" ]; then
        mkdir -p "$work/kernel/usr/lib"
        mv "$work/kernel/lib/modules" "$work/kernel/usr/lib/modules"
    fi
    kernel_modules=$work/kernel/usr/lib/modules/$version
    depmod -b "$work/kernel/usr" "$version"
}

# The modules that match `modules` and, by modules.dep, everything they need; uncompressed.
install_modules() {
    local target=$root/usr/lib/modules/$version
    mkdir -p "$target"
    cp "$kernel_modules"/modules.{builtin,builtin.modinfo,order} "$target"
    sed 's/#.*//; /^ *$/d; s,.*,^kernel/&\\.ko,; s,\*,[^:]*,g' "$here/modules" >"$work/patterns"
    grep -E -f "$work/patterns" "$kernel_modules/modules.dep" | tr -d : | tr ' ' '\n' | sed '/^$/d' | sort -u |
        (cd "$kernel_modules" && cpio -pdm --quiet "$target")
    find "$target" -name '*.ko.xz' -print0 | xargs -0 -r -n 64 -P "$(nproc)" xz -d
    find "$target" -name '*.ko.zst' -print0 | xargs -0 -r -n 64 zstd -q -d --rm
    depmod -b "$root/usr" "$version"
}

# An uncompressed kernel starts at once; under emulation a bzImage spends a second unpacking itself.
write_vmlinux() {
    local offset
    unpack() { # MAGIC COMMAND...
        local magic=$1
        shift
        for offset in $(LC_ALL=C grep -aobP "$magic" "$vmlinuz" | cut -d: -f1); do
            tail -c +$((offset + 1)) "$vmlinuz" | "$@" >"$out/vmlinux" 2>/dev/null || true
            [ "$(head -c 4 "$out/vmlinux")" = $'\x7fELF' ] && return 0
        done
        return 1
    }
    unpack '\xfd7zXZ\x00' xz -dc --single-stream ||
        unpack '\x28\xb5\x2f\xfd' zstd -dcq ||
        unpack '\x1f\x8b\x08' gzip -dcq ||
        die "no vmlinux found in $(basename "$vmlinuz")"
}

write_initrd() {
    local initrd=$work/initrd number=10 module
    mkdir -p "$initrd"/{bin,dev,modules,newroot}
    cp "$(command -v busybox)" "$initrd/bin/busybox"
    cp "$here/initrd-init" "$initrd/init"
    for module in virtio_pci virtio_console virtio_blk ext4 9pnet_virtio 9p; do
        modprobe -d "$root/usr" -S "$version" --show-depends $module
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/initrd.modules"
    while IFS= read -r module; do
        cp "$module" "$initrd/modules/$number-$(basename "$module")"
        number=$((number + 1))
    done <"$work/initrd.modules"
    (cd "$initrd" && find . | cpio -o -H newc --quiet) >"$out/initrd.cpio"
}

# A machine small enough to be booted inside the guest: the same kernel and a busybox that
# brings up eth0, answers HTTP and heeds the power button.
write_nested() {
    local nested=$work/nested number=10 module
    mkdir -p "$nested"/{bin,modules,dev,etc/acpi/PWRF,etc/acpi/LNXPWRBN:00} "$root/srv/nested"
    cp "$(command -v busybox)" "$nested/bin/busybox"
    cp "$here/nested-init" "$nested/init"
    printf '#!/bin/busybox sh\n/bin/poweroff -f\n' | tee "$nested/etc/acpi/PWRF/00000080" >"$nested/etc/acpi/off"
    printf '%s\n' 'case $1 in bound|renew) ip addr flush dev $interface; ip addr add $ip/$mask dev $interface' \
        'ip route replace default via $router ;; esac' | sed '1i #!/bin/busybox sh' >"$nested/bin/leased"
    chmod +x "$nested"/{init,bin/leased,etc/acpi/off,etc/acpi/PWRF/00000080}
    for module in virtio_pci virtio_net button evdev; do
        modprobe -d "$root/usr" -S "$version" --show-depends $module
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/nested.modules"
    while IFS= read -r module; do
        cp "$module" "$nested/modules/$number-$(basename "$module")"
        number=$((number + 1))
    done <"$work/nested.modules"
    (cd "$nested" && find . | cpio -o -H newc --quiet) >"$out/nested.cpio"
    cp "$out/nested.cpio" "$out/vmlinux" "$root/srv/nested/"
}

configure_guest() {
    cp -a --no-preserve=ownership "$here/guest/." "$root/"
    echo vm >"$root/etc/hostname"
    echo "127.0.0.1 localhost vm" >"$root/etc/hosts"
    echo 00000000000000000000000000000001 >"$root/etc/machine-id"
    : >"$root/etc/fstab"
    rm -f "$root/etc/resolv.conf"
    : >"$root/etc/resolv.conf"

    # Nothing runs but what a test starts; each masked unit is boot time under emulation.
    local unit generator
    for unit in getty.target console-getty.service getty@tty1.service serial-getty@ttyS0.service \
        systemd-{timesyncd,random-seed,update-utmp,hwdb-update,journal-flush,journal-catalog-update}.service \
        systemd-{update-done,pcrmachine,tpm2-setup,tpm2-setup-early,binfmt,boot-random-seed}.service \
        systemd-{networkd,networkd-wait-online,resolved,tmpfiles-clean}.{service,timer} ldconfig.service \
        apt-daily{,-upgrade}.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
        dnsmasq.service babeld.service frr.service hostapd.service wpa_supplicant.service nftables.service \
        libvirt-guests.service netplan-configure.service \
        proc-sys-fs-binfmt_misc.automount dev-hugepages.mount sys-kernel-{debug,tracing}.mount \
        modprobe@{configfs,drm,efi_pstore,fuse,dm_mod,loop}.service; do
        case $unit in systemd-networkd.service | systemd-resolved.service) continue ;; esac
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    mkdir -p "$root/etc/systemd/system-generators"
    for generator in ssh gpt-auto hibernate-resume cryptsetup; do
        ln -sf /dev/null "$root/etc/systemd/system-generators/systemd-$generator-generator"
    done
    rm -f "$root"/etc/systemd/system/*.wants/{systemd-networkd,systemd-resolved,machines,libvirtd,virt}*
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{bash-completion,zsh,info}
}

# Straight from the directory: nothing is mounted, no loop device is taken.
write_root_image() {
    local megabytes
    megabytes=$(($(du -sm "$root" | cut -f1) * 13 / 10 + 400))
    mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -E lazy_itable_init=1,discard -m 0 -L netyard-vm \
        -d "$root" "$out/root.ext4" "${megabytes}M"
}

main "$@"
