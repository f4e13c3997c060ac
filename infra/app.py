"""The CDK's entry: `cdk synth` and `cdk deploy` run it."""

import os
import sys

from aws_cdk import App, Environment, Validations
from cdk_nag import AwsSolutionsChecks

from apparent.errors import ModelError
from infra.nag import acknowledge
from infra.on_device import OnDeviceError
from infra.settings import SettingsError, from_context
from infra.stack import ApparentStack


def main() -> int:
    """Synthesises; a wrong setting or model ends it with a sentence."""
    app = App()
    try:
        settings = from_context(app)
        stack = ApparentStack(
            app,
            settings,
            env=Environment(
                account=os.environ.get("CDK_DEFAULT_ACCOUNT"),
                region=os.environ.get("CDK_DEFAULT_REGION"),
            ),
        )
    except (SettingsError, ModelError, OnDeviceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    acknowledge(stack, settings)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
