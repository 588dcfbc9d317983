from cerebros.errors import CLASS_OF, Code, ErrorClass, InvalidArgument, ResourceExhausted, family


def test_every_code_has_a_class_and_every_error_a_code():
    assert set(CLASS_OF) == set(Code)
    assert all(error("x").error_class in ErrorClass for error in family())


def test_only_what_may_pass_by_itself_is_worth_a_retry():
    assert ResourceExhausted("x").retryable
    assert not InvalidArgument("x").retryable
