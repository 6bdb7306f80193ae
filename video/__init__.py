"""The video bridge: rooms that open by themselves, signalling, and a forwarding plane that never decodes (ARCHITECTURE decision 8)."""
