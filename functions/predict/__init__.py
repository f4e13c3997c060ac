"""The HTTP API of the library, and its AWS Lambda function."""
