"""A PIV card made of software, inserted into the virtual reader of vsmartcard-vpcd."""
