"""The service as one CloudFormation stack, by the AWS CDK; one construct per file."""
