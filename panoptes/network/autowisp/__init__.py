"""An observation as a folder that AutoWISP takes as it is.

AutoWISP (https://github.com/kpenev/AutoWISP, here 2.3) makes light curves, too. It is a program
of others, under a licence of its own: nothing of it is used here.
"""
