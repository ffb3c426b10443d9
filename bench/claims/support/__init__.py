"""What claims share: rules and verdicts, how a claim is answered, and how its verdicts are stored."""
