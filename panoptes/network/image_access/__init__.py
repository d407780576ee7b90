"""The archive's images as the Virtual Observatory asks for them: SIA 2.0 and ObsCore.

https://www.ivoa.net/documents/SIA/20151223/ and https://www.ivoa.net/documents/ObsCore/20170509/.
"""
