"""The Lambda function of large collections: a batch of S3 keys in, a part of answers out."""
