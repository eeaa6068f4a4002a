"""End to end: real gpg, gpgsm, ssh and git, a real gpg-agent, our daemon, SoftHSM tokens."""
