"""What others ask of a system: controls and hazards by framework and edition, and which of our evidence speaks to them.

An id is `framework@edition:id`, such as `nist-ai-rmf@1.0:MEASURE-2.11`. Each edition is a file of `editions/`, read
when it is first asked for. The words about a control are ours; ids and titles are the framework's.
"""
