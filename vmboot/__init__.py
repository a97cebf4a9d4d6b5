"""vmboot: network boot for fleets of VMware VMs."""
