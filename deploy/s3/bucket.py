"""Makes a bucket, if it is not there. To be called with its name, and with the AWS settings of who may do so."""

import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# The store may still be about to start.
client = boto3.session.Session(region_name=os.environ["AWS_REGION"]).client(
    "s3",
    config=Config(
        retries={"mode": "standard", "total_max_attempts": 10},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    ),
)
name = sys.argv[1]
try:
    if name in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        print(f"the bucket {name} is there")
    else:
        client.create_bucket(Bucket=name)
        print(f"made the bucket {name}")
except (BotoCoreError, ClientError) as error:
    sys.exit(f"the bucket {name} cannot be made: {error}")
