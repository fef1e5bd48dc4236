"""An id made at the top level."""

import uuid

INSTANCE_ID = uuid.uuid4()
