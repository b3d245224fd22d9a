# SPDX-License-Identifier: MIT
"""Hold a virtual machine that never runs, for as long as the machine lives.

With the first machine made and the last one gone KVM switches static keys, for
which the kernel rewrites code that its other processors are just running. QEMU's
TCG may keep a translation of the breakpoint that stands there meanwhile: the
processor that runs it takes it again and again, for ever. With one machine
always there the keys stay as they are.
"""
import fcntl
import os
import signal

KVM_CREATE_VM, KVM_CREATE_VCPU, KVM_CREATE_IRQCHIP = 0xae01, 0xae41, 0xae60

kvm = os.open("/dev/kvm", os.O_RDWR)
machine = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
fcntl.ioctl(machine, KVM_CREATE_IRQCHIP, 0)
# its local APIC is never enabled, which is one of the keys
processor = fcntl.ioctl(machine, KVM_CREATE_VCPU, 0)
if os.fork() == 0:
    signal.pause()
