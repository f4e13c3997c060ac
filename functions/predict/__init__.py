"""The road from photo bytes to apparent ages and perceived genders; one module per step."""
