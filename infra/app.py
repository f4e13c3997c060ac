"""The CDK's entry: `cdk synth` and `cdk deploy` run it."""

import os
import sys

from aws_cdk import App, Environment, Validations
from cdk_nag import AwsSolutionsChecks
from jsii.errors import JavaScriptError

from apparent.errors import ModelError
from infra.nag import acknowledge
from infra.on_device import OnDeviceError
from infra.settings import SettingsError, from_context
from infra.stack import ApparentStack


def main() -> int:
    """Synthesises; a wrong setting or model ends it with a sentence."""
    try:
        _synthesise()
    except (SettingsError, ModelError, OnDeviceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if not isinstance(error.__cause__, JavaScriptError):
            raise
        why = " ".join(str(error).split())
        print(f"error: The CDK cannot make a stack of these settings. {why}", file=sys.stderr)
        return 1
    return 0


def _synthesise() -> None:
    app = App()
    settings = from_context(app)
    stack = ApparentStack(
        app,
        settings,
        env=Environment(
            account=os.environ.get("CDK_DEFAULT_ACCOUNT"),
            region=os.environ.get("CDK_DEFAULT_REGION"),
        ),
    )
    acknowledge(stack, settings)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


if __name__ == "__main__":
    sys.exit(main())
