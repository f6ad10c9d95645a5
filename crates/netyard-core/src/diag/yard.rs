//! Messages about names, addresses and relations: what `yard` finds while it resolves.
