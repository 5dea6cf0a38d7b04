//! Background tasks that lose nothing, on dramatiq's wire format.
