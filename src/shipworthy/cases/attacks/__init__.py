"""Attacks: what people do to a request so that it gets past a refusal, as seeded transformations of cases.

    apply_attack("roleplay+base64", case, seed=7)

They wrap, disguise or lead up to what a case asks already; they add no knowledge of their own.
"""
