"""The demo: a whole rollout on an embedded vCenter, each step shown, explained and checked."""
