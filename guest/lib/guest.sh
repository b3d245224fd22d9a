# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the guest's test scripts share. Lines for the host start with BULKHEAD.

say()
{
	echo "BULKHEAD $*"
}

# Runs when the power button is pressed. A test that has work to finish calls
# end_on_power_button PID first.
power_button()
{
	say "button pressed"
	if [ -s /run/ends-on-button ]; then
		kill -TERM "$(cat /run/ends-on-button)"
	else
		switch_off
	fi
}

end_on_power_button()
{
	echo "$1" >/run/ends-on-button
}

switch_off()
{
	sync
	umount /mnt 2>/dev/null
	poweroff -f
}

# Brings eth0 up. Nothing is on the wire that a test did not ask for.
load_network()
{
	for module in failover net_failover virtio_net; do
		insmod "/modules/$module.ko"
	done
	echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
	echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
	ip link set lo up
	ip link set eth0 up
}

# use_dhcp INTERFACE: take the address and the route that are offered there.
use_dhcp()
{
	ip link set "$1" up
	udhcpc -f -q -n -t 20 -T 1 -i "$1" -s /lib/dhcp >/dev/null
}

# fetch_page URL NUMBER SECONDS: say what became of it in this time.
fetch_page()
{
	timeout "$3" wget -q -O "/tmp/page$2" "$1/$2" 2>/dev/null
	status=$?
	sum=$(md5sum "/tmp/page$2" 2>/dev/null)
	say "page number=$2 status=$status sum=${sum%% *}"
	rm -f "/tmp/page$2"
}

# fetch_pages URL SECONDS: one a second, until killed. Before the last one is
# there another is begun only after a third of its time, which a lost one takes:
# a guest too slow for one a second would finish none of ever more.
fetch_pages()
{
	number=0
	while :; do
		number=$((number + 1))
		: >"/tmp/page$number"
		fetch_page "$1" "$number" "$2" &
		tries=$(($2 / 3))
		until sleep 1 && [ ! -e "/tmp/page$number" ]; do
			tries=$((tries - 1))
			[ "$tries" -gt 0 ] || break
		done
	done
}

# The address that leads on from here.
gateway()
{
	ip route show default | sed -n 's/.* via \([0-9.]*\).*/\1/p'
}

# Finds the units of the SCSI controller, unless it was done before.
load_scsi()
{
	[ ! -d /sys/module/virtio_scsi ] || return 0
	for module in scsi_common scsi_mod sd_mod sg cdrom sr_mod st isofs \
		virtio_scsi; do
		insmod "/modules/$module.ko"
	done
}

# wait_disk DEVICE: until the kernel has found it, 10 s at most.
wait_disk()
{
	case $1 in
	/dev/s*) load_scsi ;;
	esac
	tries=0
	while [ ! -b "$1" ] && [ "$tries" -lt 100 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	[ -b "$1" ] || say "missing disk=$1"
}

# Mounts DEVICE on /mnt, with a new file system unless it has one.
mount_disk()
{
	wait_disk "$1"
	if ! mount -t ext4 "$1" /mnt 2>/dev/null; then
		/bin/mke2fs -q -F -t ext4 -E lazy_itable_init=0,nodiscard "$1" ||
			return 1
		mount -t ext4 "$1" /mnt
	fi
}

# Unmounts /mnt and checks DEVICE's file system.
check_disk()
{
	umount /mnt
	e2fsck -f -n "$1" >/tmp/e2fsck.log 2>&1
	status=$?
	[ "$status" -eq 0 ] || cat /tmp/e2fsck.log
	say "e2fsck status=$status"
}

# How often the kernel complained about a disk or a file system: an I/O error,
# an answer to a request that it had not made, a file system gone wrong.
kernel_errors()
{
	dmesg | grep -ciE \
		'i/o error|is not a head|ext4-fs error|aborting journal|blk_update_request|hung task'
}
