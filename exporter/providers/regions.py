"""The regions of the clouds that have many."""

from __future__ import annotations

_BEDROCK = """
us-east-1 us-east-2 us-west-1 us-west-2 us-gov-east-1 us-gov-west-1 ca-central-1 ca-west-1
mx-central-1 sa-east-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1
eu-west-2 eu-west-3 il-central-1 me-central-1 me-south-1 af-south-1 ap-east-2 ap-south-1 ap-south-2
ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-southeast-1 ap-southeast-2 ap-southeast-3
ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7
"""
BEDROCK_REGIONS = tuple(_BEDROCK.split())
"""The regions of Amazon Bedrock."""

DASHSCOPE_HOSTS = {
    "beijing": "dashscope.aliyuncs.com",
    "singapore": "dashscope-intl.aliyuncs.com",
    "us": "dashscope-us.aliyuncs.com",  # Virginia
    "hongkong": "cn-hongkong.dashscope.aliyuncs.com",
    # Alibaba Cloud's own names for the same regions:
    "cn-beijing": "dashscope.aliyuncs.com",
    "ap-southeast-1": "dashscope-intl.aliyuncs.com",
    "us-east-1": "dashscope-us.aliyuncs.com",
    "cn-hongkong": "cn-hongkong.dashscope.aliyuncs.com",
}
"""The hosts of Alibaba Cloud Model Studio, without those of single workspaces."""
