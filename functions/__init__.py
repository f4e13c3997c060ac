"""AWS Lambda functions, one folder each."""
