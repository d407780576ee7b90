"""What developers need to know of a problem, and no secret.

`words` lets through what it knows to be harmless, line by line, by a `vocabulary` of programs'
words; `secrets_known` finds the secrets of this machine, of which none may be left; `collecting`
writes the zip.
"""
