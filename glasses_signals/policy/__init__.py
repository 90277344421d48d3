"""What may be used at all: account gates, the sensitive gate, and the rules that both follow."""
