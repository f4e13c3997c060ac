"""What the API knows CloudFront by: a secret that AWS makes, which no request of others has."""

from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

HEADER: Final = "x-apparent-origin"
"""This and the host's header are those of functions/predict/origin.py."""
HOST_HEADER: Final = "x-forwarded-host"
_LENGTH: Final = 40

_FORWARD_HOST: Final = f"""function handler(event) {{
    var headers = event.request.headers;
    headers['{HOST_HEADER}'] = {{ value: headers.host.value }};
    return event.request;
}}"""
"""API Gateway wants its own name as Host; the visitor's is what links and redirects begin with."""


class OriginSecret(Construct):
    """Made once for a stack; CloudFormation puts it in its two places, the template in none."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        secret = secretsmanager.Secret(
            self,
            "Secret",
            description="By which the API knows the requests that came through CloudFront.",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                exclude_punctuation=True, password_length=_LENGTH
            ),
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.value = secret.secret_value.unsafe_unwrap()
        """A reference that is resolved while the stack is deployed."""


def forward_host(scope: Construct, id: str, name: str) -> cloudfront.FunctionAssociation:
    """Tells the API the name that the visitor asked for."""
    function = cloudfront.Function(
        scope,
        id,
        function_name=name,
        code=cloudfront.FunctionCode.from_inline(_FORWARD_HOST),
        runtime=cloudfront.FunctionRuntime.JS_2_0,
    )
    return cloudfront.FunctionAssociation(
        function=function, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST
    )
